/** What a runner's figures were: means of spans of time, with their least and most. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { useAnswer, useShared } from "./hooks.ts";
import type { ListAnswer } from "./items.ts";
import { figureText } from "./text.ts";

const SPANS = {
  "1 h": { ms: 3_600_000, every: "60s" },
  "6 h": { ms: 21_600_000, every: "300s" },
  "24 h": { ms: 86_400_000, every: "900s" },
  "7 d": { ms: 604_800_000, every: "7200s" },
} as const;
type SpanName = keyof typeof SPANS;

const FIGURES = { fps: "fps", latency_ms: "latency, ms", detected: "detected", matched: "matched" };
type Figure = keyof typeof FIGURES;

type Spread = { readonly mean: number; readonly min: number; readonly max: number } | null;
type Bucket = { readonly ts: string; readonly count: number } & Readonly<Record<Figure, Spread>>;

const ASK_EVERY_MS = 30_000;
const HEIGHT_PX = 150;
const MINUTE_MS = 60_000;

export function HistoryGraphs({ runner }: { readonly runner: string }): JSX.Element {
  const { place, fleet } = useShared();
  const [name, setName] = useState<SpanName>("1 h");
  const span = SPANS[name];
  const end = Math.ceil((place.at ?? fleet.now()) / MINUTE_MS) * MINUTE_MS;
  const at = place.at === undefined ? undefined : new Date(place.at).toISOString();
  const { answer } = useAnswer<ListAnswer<Bucket>>(
    `/api/v1/runners/${runner}/history`,
    { every: span.every, from: new Date(end - span.ms).toISOString(), limit: 1_000, at },
    at === undefined ? ASK_EVERY_MS : undefined,
  );
  const buckets = answer?.items.toReversed() ?? [];
  const present = (Object.keys(FIGURES) as Figure[]).filter((figure) =>
    buckets.some((bucket) => bucket[figure] !== null),
  );
  return (
    <section aria-label="History">
      <h2>
        History{" "}
        <select
          aria-label="Span of the history"
          value={name}
          onChange={(event) => setName(event.currentTarget.value as SpanName)}
        >
          {Object.keys(SPANS).map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </h2>
      {answer !== undefined && present.length === 0 && (
        <p class="empty">No snapshot of this time has a figure.</p>
      )}
      <div class="graphs">
        {present.map((figure) => (
          <Graph key={figure} figure={figure} buckets={buckets} from={end - span.ms} to={end} />
        ))}
      </div>
    </section>
  );
}

interface GraphProps {
  readonly figure: Figure;
  readonly buckets: readonly Bucket[];
  readonly from: number;
  readonly to: number;
}

function Graph({ figure, buckets, from, to }: GraphProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const means = buckets.map((bucket) => bucket[figure]?.mean).filter((mean) => mean !== undefined);
  const label =
    `${FIGURES[figure]}: from ${figureText(Math.min(...means))} to ` +
    `${figureText(Math.max(...means))}, last ${figureText(means.at(-1) ?? 0)}`;
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const plot = new uPlot(
      optionsOf(figure, element, { from, to }),
      dataOf(figure, buckets),
      element,
    );
    const observer = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [figure, buckets.at(-1)?.ts, buckets.length, from]);
  return <div class="graph" ref={box} role="img" aria-label={label} />;
}

function dataOf(figure: Figure, buckets: readonly Bucket[]): uPlot.AlignedData {
  const of = (pick: (spread: NonNullable<Spread>) => number): (number | null)[] =>
    buckets.map((bucket) => {
      const spread = bucket[figure];
      return spread === null ? null : pick(spread);
    });
  return [
    buckets.map(({ ts }) => Date.parse(ts) / 1_000),
    of(({ mean }) => mean),
    of(({ max }) => max),
    of(({ min }) => min),
  ];
}

function optionsOf(
  figure: Figure,
  element: HTMLElement,
  { from, to }: { from: number; to: number },
): uPlot.Options {
  const styles = getComputedStyle(element);
  const axis = { stroke: styles.color, grid: { stroke: styles.borderTopColor, width: 1 } };
  const edge = { stroke: "transparent", points: { show: false } };
  return {
    title: FIGURES[figure],
    width: element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    tzDate: (ts) => uPlot.tzDate(new Date(ts * 1_000), "Etc/UTC"),
    scales: { x: { range: [from / 1_000, to / 1_000] } },
    series: [{}, { stroke: styles.outlineColor, width: 1.5 }, edge, edge],
    bands: [{ series: [2, 3], fill: styles.backgroundColor }],
    axes: [
      { ...axis, values: timeLabels(to - from) },
      { ...axis, size: 48 },
    ],
    cursor: { y: false },
  };
}

const DAY_MS = 86_400_000;

/** `03:12`, or the day where the span is of several. */
function timeLabels(spanMs: number): (plot: uPlot, splits: number[]) => string[] {
  const [start, end] = spanMs > DAY_MS ? [5, 10] : [11, 16];
  return (_plot, splits) =>
    splits.map((sec) => new Date(sec * 1_000).toISOString().slice(start, end));
}
