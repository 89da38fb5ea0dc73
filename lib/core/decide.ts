/**
 * What the enforcer does: a pure function of what should be, what it sees and what it remembers.
 * Doing it is somebody else's.
 *
 * Clock jumps: time is counted in looks. A look that comes before the last one, or so long after
 * it that the clock must have been set (or the host was asleep), counts as the moment of the last
 * look: every wait goes on where it was, and silence is forgiven for a grace period.
 */
import type { Action, DecideSettings } from "./decide-action.ts";
import { newRunnerMemory, runnersOf, shiftTimes } from "./decide-memory.ts";
import type { EnforcerMemory, RunnerMemory } from "./decide-memory.ts";
import { decideRunner, isOwn } from "./decide-runner.ts";
import type { Look } from "./decide-runner.ts";
import { findHush, heardAgain, isInHush } from "./decide-silence.ts";
import type { Hush } from "./decide-silence.ts";
import type { EventData, EventType } from "./event.ts";
import type { Fleet } from "./fleet.ts";
import type { Observed } from "./observed.ts";
import type { RunnerId } from "./runner-id.ts";

/** Looks are never so far apart; counted in checks, and at least that many ms. */
const MAX_GAP_CHECKS = 4;
const MIN_GAP_MS = 60_000;
/** A check may come a little early: timers are not exact. */
const EARLY_CHECK = 0.9;
const HUSH_CHECK = "fleet_silence";
const MAX_NAMED = 10;

export interface Decision {
  /** In this order; the memory must be kept before they are done. */
  readonly actions: readonly Action[];
  readonly memory: EnforcerMemory;
  /** Epoch ms at which to look again at the latest; null: at the next check. */
  readonly wakeAt: number | null;
}

/** Runners of the fleet that are not observed are left alone: somebody else's, or unknown. */
export function decide(
  fleet: Fleet,
  settings: DecideSettings,
  observed: Observed,
  before: EnforcerMemory,
  now: number,
): Decision {
  const actions: Action[] = [];
  const memory = atNow(before, settings, observed, now);
  const isCheck = now - memory.checkedAt >= settings.checkEverySec * EARLY_CHECK * 1000;
  if (isCheck) memory.checkedAt = now;
  const event = eventMaker(memory, actions);
  let wakeAt = Infinity;
  const isBlind = () => observed.blindSince !== null || now < memory.graceUntil;
  if (!isBlind()) followHush(memory, fleet, settings, observed, event);
  const look: Look = {
    fleet,
    settings,
    now,
    isCheck,
    isExcused: (seen) => isBlind() || isInHush(memory.hush?.from ?? null, seen),
    event,
    act: (action) => actions.push(action),
    wakeAt: (time) => (wakeAt = Math.min(wakeAt, time)),
  };
  memory.runners = decideAll(look, observed, memory);
  return { actions, memory, wakeAt: wakeAt === Infinity ? null : wakeAt };
}

/** A copy of the memory in which no time is in the wrong place. */
function atNow(
  before: EnforcerMemory,
  { checkEverySec, outageGraceSec }: DecideSettings,
  { blindSince, sightedAt }: Observed,
  now: number,
): EnforcerMemory {
  const gapMs = now - before.at;
  const maxGapMs = Math.max(MIN_GAP_MS, MAX_GAP_CHECKS * checkEverySec * 1000);
  const hasJumped = gapMs < 0 || gapMs > maxGapMs;
  const memory = hasJumped ? shiftTimes(before, gapMs) : { ...before };
  const graceMs = outageGraceSec * 1000;
  memory.at = now;
  if (hasJumped || blindSince !== null) memory.graceUntil = now + graceMs;
  else if (sightedAt !== null) {
    memory.graceUntil = Math.max(memory.graceUntil, Math.min(sightedAt, now) + graceMs);
  }
  // A grace that began before the clock was set back, or under other settings.
  memory.graceUntil = Math.min(memory.graceUntil, now + graceMs);
  return memory;
}

function eventMaker(memory: EnforcerMemory, actions: Action[]): Look["event"] {
  return <T extends EventType>(runner: RunnerId, type: T, data: EventData<T>) => {
    const msgId = `${memory.id}:${memory.serial++}:${runner}:${type}`;
    // The compiler can't see that type and data belong together.
    actions.push({ kind: "event", runner, type, data, msgId } as Action);
  };
}

/** Many runners that fall silent at once are one trouble, with the pipeline or the host. */
function followHush(
  memory: EnforcerMemory,
  fleet: Fleet,
  settings: DecideSettings,
  observed: Observed,
  event: Look["event"],
): void {
  const known = (memory.hush?.members ?? []) as RunnerId[];
  const wanted = known.filter((runner) => fleet.runners.has(runner) && isUp(memory, runner));
  if (known.length > 0 && isHushGoingOn(memory, heardAgain(wanted, observed), settings)) return;
  const hush = findHush(fleet, observed, settings);
  memory.hush = hush === undefined ? null : { ...hushKept(hush), heardAt: null };
  if (hush !== undefined) {
    const value = hush.members.length;
    event(settings.self, "check_failed", { check: HUSH_CHECK, message: hushText(hush), value });
  } else if (known.length > 0) {
    const message = "the runners that fell silent at the same moment are heard again";
    event(settings.self, "check_recovered", { check: HUSH_CHECK, message });
    // Who was not heard yet gets its turn.
    memory.graceUntil = memory.at + settings.outageGraceSec * 1000;
  }
}

/**
 * It is over once half of its runners are heard again. Where some are, the others get their turn:
 * who is silent after the grace period is so by itself.
 */
function isHushGoingOn(
  memory: EnforcerMemory,
  heard: ReturnType<typeof heardAgain>,
  { outageGraceSec }: DecideSettings,
): boolean {
  const { hush, at } = memory;
  if (hush === null || heard === "enough") return false;
  const heardAt = heard === "some" ? (hush.heardAt ?? at) : null;
  memory.hush = { ...hush, heardAt };
  return heardAt === null || at - heardAt < outageGraceSec * 1000;
}

function hushKept({ members, from }: Hush): { members: string[]; from: number } {
  return { members: [...members], from };
}

/** What is not to run will not be heard again. */
function isUp({ runners }: EnforcerMemory, id: RunnerId): boolean {
  const runner = runners[id];
  return runner?.wish === "run" && !runner.paused && !runner.down;
}

function hushText({ members, of }: Hush): string {
  const named = members.slice(0, MAX_NAMED).join(", ");
  const more = members.length > MAX_NAMED ? ` and ${members.length - MAX_NAMED} more` : "";
  return (
    `${members.length} of ${of} runners fell silent at the same moment: the cause is hardly with ` +
    `each of them, and none is restarted for it (${named}${more})`
  );
}

function decideAll(
  look: Look,
  observed: Observed,
  before: EnforcerMemory,
): Record<string, RunnerMemory> {
  const after: Record<string, RunnerMemory> = {};
  for (const [runner, memory] of runnersOf(before)) {
    const entry = look.fleet.runners.get(runner);
    if (entry === undefined) leave(look, runner, observed, memory, after);
    else if (!observed.runners.has(runner)) after[runner] = memory;
  }
  for (const [runner, entry] of look.fleet.runners) {
    const seen = observed.runners.get(runner);
    if (seen === undefined) continue;
    const memory = before.runners[runner] ?? newRunnerMemory(entry.driver.kind);
    after[runner] = decideRunner(look, entry, seen, memory);
  }
  return after;
}

/** It is no longer in the fleet file: what we made is ended, and then it is forgotten. */
function leave(
  look: Look,
  runner: RunnerId,
  observed: Observed,
  memory: RunnerMemory,
  after: Record<string, RunnerMemory>,
): void {
  const run = observed.runners.get(runner)?.run;
  if (!isOwn(memory.driver) || run === undefined || run.kind === "none") return;
  if (run.kind === "ended") return look.act({ kind: "settle", runner });
  // Its paused state and its count go as well: whoever puts it back starts anew.
  const reason = "it is no longer in the fleet file";
  const stop = { since: run.since, reason };
  after[runner] = { ...newRunnerMemory(memory.driver), spec: memory.spec, stop };
  if (run.kind === "running") look.act({ kind: "stop", runner, reason });
}
