/**
 * Whose silence counts. A check is a look each ENFORCER_INTERVAL_SECONDS; a miss is a check at
 * which a process that runs is `missing` or `offline`, which is to say silent for longer than
 * HEARTBEAT_STALE_SEC (45 s, some four heartbeats), or never heard of after its start grace.
 */
import type { DecideSettings } from "./decide-action.ts";
import type { Fleet } from "./fleet.ts";
import type { Observed, RunnerSeen } from "./observed.ts";
import type { RunnerId } from "./runner-id.ts";

/** A heartbeat may be late by that part of its interval. */
const LATENESS = 1.5;

export function isMissed({ beats }: RunnerSeen): boolean {
  return beats.status === "missing" || beats.status === "offline";
}

export interface Hush {
  /** Runners that fell silent at the same moment. */
  readonly members: readonly RunnerId[];
  /** The earliest of their last heartbeats, on the NATS server's clock. */
  readonly from: number;
  /** Of so many that have been beating. */
  readonly of: number;
}

/**
 * Finds the runners that fell silent at the same moment, where they are so many that the cause is
 * hardly with each of them. A runner's silence began between its last heartbeat and the one that
 * did not come, so runners whose spans share a moment fell silent together.
 */
export function findHush(
  fleet: Fleet,
  observed: Observed,
  settings: DecideSettings,
): Hush | undefined {
  const silent: Span[] = [];
  let beating = 0;
  for (const [runner, seen] of observed.runners) {
    const { status, lastAt } = seen.beats;
    if (seen.run.kind !== "running" || lastAt === null || status === "unknown") continue;
    beating++;
    if (!isQuiet(seen)) continue;
    const intervalSec = fleet.runners.get(runner)?.intervalSec ?? settings.intervalSec;
    silent.push({ runner, from: lastAt, to: lastAt + intervalSec * LATENESS * 1000 });
  }
  const needed = Math.max(settings.hushMin, Math.ceil(beating * settings.hushShare));
  if (silent.length < needed) return undefined;
  const members = largestTogether(silent);
  if (members.length < needed) return undefined;
  const from = Math.min(...members.map((span) => span.from));
  return { members: members.map(({ runner }) => runner), from, of: beating };
}

/** How many of those that a hush befell are heard again: none, some, or so many that it is over. */
export function heardAgain(
  members: readonly RunnerId[],
  observed: Observed,
): "none" | "some" | "enough" {
  const seen = members.flatMap((runner) => observed.runners.get(runner) ?? []);
  const heard = seen.filter(({ beats }) => beats.status === "online");
  if (heard.length * 2 >= seen.length) return "enough";
  return heard.length > 0 ? "some" : "none";
}

/** Whether the hush may be why a runner is silent: it was heard, if at all, before it and not since. */
export function isInHush(hushFrom: number | null, { beats }: RunnerSeen): boolean {
  return hushFrom !== null && (beats.lastAt === null || beats.lastAt >= hushFrom);
}

function isQuiet({ beats: { status } }: RunnerSeen): boolean {
  return status === "stale" || status === "missing" || status === "offline";
}

interface Span {
  readonly runner: RunnerId;
  readonly from: number;
  readonly to: number;
}

/** The most spans that share a moment: one such moment is always where a span begins. */
function largestTogether(spans: readonly Span[]): readonly Span[] {
  const sorted = spans.toSorted((a, b) => a.from - b.from);
  let best: Span[] = [];
  let open: Span[] = [];
  for (const span of sorted) {
    open = open.filter(({ to }) => to >= span.from);
    open.push(span);
    if (open.length > best.length) best = [...open];
  }
  return best;
}
