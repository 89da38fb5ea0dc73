/** Any moment of the past: the whole page is then of that moment. */
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useShared, useTick } from "./hooks.ts";
import { changeBeside } from "./past-fleet.ts";
import { ageText, momentText } from "./text.ts";

const SPANS_MS = { "1 h": 3_600_000, "6 h": 21_600_000, "24 h": 86_400_000 } as const;
type SpanName = keyof typeof SPANS_MS;
const SPEEDS = [1, 10, 60] as const;
type Speed = (typeof SPEEDS)[number];
const PLAY_STEP_MS = 1_000;
const MINUTE_MS = 60_000;
/** The slider gives many moments while it is drawn: the last one counts. */
const SETTLE_MS = 120;

/** @param isLoading the moment that was asked for is on its way. */
export function TimeBar({ isLoading }: { readonly isLoading: boolean }): JSX.Element {
  useTick(1_000);
  const { place, live, go } = useShared();
  const [span, setSpan] = useState<SpanName>("1 h");
  const [speed, setSpeed] = useState<Speed | undefined>();
  const [said, setSaid] = useState("");
  const now = live.now();
  const at = place.at ?? now;
  const goTo = (to: number): void => {
    setSaid("");
    go({ at: to >= live.now() ? undefined : Math.round(to) }, true);
  };
  usePlaying({ at: place.at, speed, isLoading, goTo, stop: () => setSpeed(undefined) });
  const jump = async (direction: "previous" | "next"): Promise<void> => {
    setSpeed(undefined);
    const to = await changeBeside(at, direction, AbortSignal.timeout(10_000)).catch(() => NaN);
    if (to !== undefined && !Number.isNaN(to)) goTo(to);
    else setSaid(to === undefined ? `Nothing happened ${WORDS[direction]}.` : "Nothing answers.");
  };
  return (
    <section class="time-bar" aria-label="Time" aria-busy={isLoading}>
      <button type="button" onClick={() => void jump("previous")}>
        ← Previous change
      </button>
      <button type="button" onClick={() => goTo(at - MINUTE_MS)}>
        −1 min
      </button>
      <MomentSlider at={at} now={now} spanMs={SPANS_MS[span]} goTo={goTo} />
      <button type="button" onClick={() => goTo(at + MINUTE_MS)}>
        +1 min
      </button>
      <button type="button" onClick={() => void jump("next")}>
        Next change →
      </button>
      <select
        aria-label="How far back the slider goes"
        value={span}
        onChange={(event) => setSpan(event.currentTarget.value as SpanName)}
      >
        {Object.keys(SPANS_MS).map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <div role="group" aria-label="Play" class="play">
        {SPEEDS.map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={speed === one}
            disabled={place.at === undefined}
            onClick={() => setSpeed(speed === one ? undefined : one)}
          >
            {speed === one ? "⏸" : "▶"} ×{one}
          </button>
        ))}
      </div>
      <MomentField at={at} goTo={goTo} />
      <span role="status">{said}</span>
    </section>
  );
}

const WORDS = { previous: "before this moment", next: "after this moment" } as const;

interface Playing {
  readonly at: number | undefined;
  readonly speed: Speed | undefined;
  readonly isLoading: boolean;
  goTo(to: number): void;
  stop(): void;
}

/**
 * One step a second, and none while the last one is still on its way; the next is then longer, so
 * that time passes as quickly as was asked for.
 */
function usePlaying(playing: Playing): void {
  const newest = useRef(playing);
  newest.current = playing;
  useEffect(() => {
    if (playing.speed === undefined) return undefined;
    let steppedAt = performance.now();
    const timer = setInterval(() => {
      const { at, speed, isLoading, goTo, stop } = newest.current;
      if (at === undefined || speed === undefined) return stop();
      if (isLoading) return undefined;
      const now = performance.now();
      goTo(at + speed * (now - steppedAt));
      steppedAt = now;
      return undefined;
    }, PLAY_STEP_MS);
    return () => clearInterval(timer);
  }, [playing.speed]);
}

interface SliderProps {
  readonly at: number;
  readonly now: number;
  readonly spanMs: number;
  goTo(to: number): void;
}

function MomentSlider({ at, now, spanMs, goTo }: SliderProps): JSX.Element {
  const [drawn, setDrawn] = useState<number | undefined>();
  useEffect(() => {
    if (drawn === undefined) return undefined;
    const timer = setTimeout(() => {
      goTo(drawn);
      setDrawn(undefined);
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [drawn]);
  const value = drawn ?? at;
  return (
    <input
      type="range"
      aria-label="Moment"
      aria-valuetext={momentText(value)}
      min={now - spanMs}
      max={now}
      step={1_000}
      value={value}
      onInput={(event) => setDrawn(Number(event.currentTarget.value))}
    />
  );
}

function MomentField({ at, goTo }: { readonly at: number; goTo(to: number): void }): JSX.Element {
  const value = new Date(at).toISOString().slice(0, 19);
  return (
    <input
      type="datetime-local"
      step={1}
      aria-label="Moment, in UTC"
      value={value}
      onChange={(event) => {
        const to = Date.parse(`${event.currentTarget.value}Z`);
        if (!Number.isNaN(to)) goTo(to);
      }}
    />
  );
}

interface BannerProps {
  readonly trouble: string;
  /** What is below is still of another moment. */
  readonly isLoading: boolean;
}

/** Above everything while a moment of the past is shown. */
export function PastBanner({ trouble, isLoading }: BannerProps): JSX.Element | null {
  useTick(1_000);
  const { place, live, go } = useShared();
  if (place.at === undefined) return live.isPast ? <ExportBanner end={live.now()} /> : null;
  return (
    <div class="banner past" role="status">
      <span>
        <b>PAST</b> as it was at <time>{momentText(place.at)}</time>,{" "}
        {ageText(live.now() - place.at)} {live.isPast ? "before the end of this export" : "ago"}
      </span>
      {isLoading && <span>· loading …</span>}
      {trouble !== "" && <span class="trouble">{trouble}</span>}
      <button type="button" onClick={() => go({ at: undefined })}>
        {live.isPast ? "To its end" : "Back to now"}
      </button>
    </div>
  );
}

/** Its end is all that there is of a present: nothing goes on from there. */
function ExportBanner({ end }: { readonly end: number }): JSX.Element {
  return (
    <div class="banner past" role="status">
      <span>
        <b>PAST</b> an export, as it stood at its end: <time>{momentText(end)}</time>,{" "}
        {ageText(Date.now() - end)} ago
      </span>
    </div>
  );
}
