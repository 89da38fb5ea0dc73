import type { ComponentChildren, JSX } from "preact";
import { EventList } from "./event-list.tsx";
import { ExplainPart } from "./explain-part.tsx";
import { HistoryGraphs } from "./history-graphs.tsx";
import { placeOf, useAnswer, useShared, useTick } from "./hooks.ts";
import type { EventItem, ListAnswer, RunnerItem } from "./items.ts";
import { HealthMark, Link, StatusMark } from "./marks.tsx";
import { RunnerActions } from "./runner-actions.tsx";
import { BeatTable, ProcessTable } from "./runner-tables.tsx";
import { clockText, figureText, sinceText, skewText } from "./text.ts";

const ASK_EVERY_MS = 5_000;
const SHOWN_EVENTS = 100;

/** Everything of one runner. */
export function RunnerPage({ runner }: { readonly runner: string }): JSX.Element {
  useTick(500);
  const shared = useShared();
  const item = shared.fleet.runners.get(runner);
  const isKnown = item !== undefined || shared.fleet.summary === undefined;
  return (
    <main class="runner">
      <p>
        <Link to={placeOf(shared, { name: "fleet" })}>← Fleet</Link>
      </p>
      <h1>
        {runner} {item !== undefined && <StatusMark status={item.status} />}
        {item?.paused === true && <em class="flag">paused</em>}
      </h1>
      {!isKnown && <p class="trouble">No such runner is in the fleet at this moment.</p>}
      {item !== undefined && <RunnerActions item={item} />}
      {item !== undefined && <Facts item={item} now={shared.fleet.now()} />}
      <ExplainPart runner={runner} />
      <HistoryGraphs runner={runner} />
      <Section title="Timeline">
        <Timeline runner={runner} />
      </Section>
      <Section title="Heartbeats">
        <BeatTable runner={runner} />
      </Section>
      <Section title="Processes">
        <ProcessTable runner={runner} />
      </Section>
    </main>
  );
}

export function Section(props: {
  readonly title: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <section aria-label={props.title}>
      <h2>{props.title}</h2>
      {props.children}
    </section>
  );
}

function Facts({ item, now }: { readonly item: RunnerItem; readonly now: number }): JSX.Element {
  const { process, heartbeat } = item;
  const facts: (readonly [name: string, value: ComponentChildren])[] = [
    ["Last heartbeat", `${sinceText(item.last_heartbeat_at, now)} ago`],
    ["Status since", clockText(item.status_since, now)],
    ["Health", <HealthMark health={item.health} status={item.status} />],
    ["Host", process?.host ?? "–"],
    ["Process", process === null ? "–" : `pid ${process.pid}, ${process.state}`],
    ["Restarts", String(process?.restarts ?? 0)],
    ["Beats every", item.interval_sec === null ? "not said" : `${item.interval_sec} s`],
    ["Clock", skewText(item.clock_skew_ms) || "not said"],
    ...figures(heartbeat),
  ];
  return (
    <>
      {item.last_error !== "" && (
        <p class="card error">
          <b>Last error</b> {clockText(item.last_error_at, now)}: {item.last_error}
        </p>
      )}
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function figures(heartbeat: RunnerItem["heartbeat"]): [string, string][] {
  if (heartbeat === null) return [];
  const { fps, detected, matched, latency_ms, metrics, resources, checks, labels } = heartbeat;
  const numbers = {
    fps,
    detected,
    matched,
    "latency ms": latency_ms,
    ...metrics,
    ...resources,
  } as Record<string, unknown>;
  return [
    ...Object.entries(numbers)
      .filter((entry): entry is [string, number] => typeof entry[1] === "number")
      .map(([name, value]): [string, string] => [name.replaceAll("_", " "), figureText(value)]),
    ...Object.entries(checks).map(([name, isGood]): [string, string] => [
      name.replaceAll("_", " "),
      isGood ? "✓ passes" : "✖\uFE0E fails",
    ]),
    ...Object.entries(labels),
  ];
}

function Timeline({ runner }: { readonly runner: string }): JSX.Element {
  const { place, fleet } = useShared();
  const at = place.at === undefined ? undefined : new Date(place.at).toISOString();
  const { answer, trouble } = useAnswer<ListAnswer<EventItem>>(
    `/api/v1/runners/${runner}/timeline`,
    { limit: SHOWN_EVENTS, at },
    at === undefined ? ASK_EVERY_MS : undefined,
  );
  const events = new Map<number, EventItem>();
  for (const event of answer?.items ?? []) events.set(event.seq, event);
  for (const event of fleet.events) if (event.runner === runner) events.set(event.seq, event);
  if (trouble !== "" && answer === undefined) return <p class="trouble">{trouble}</p>;
  if (events.size === 0) return <p class="empty">Nothing has happened.</p>;
  return <EventList events={[...events.values()].toSorted((a, b) => b.seq - a.seq)} />;
}
