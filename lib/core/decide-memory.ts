/**
 * What the enforcer remembers between two looks: plain JSON, kept in a file, so that an enforcer
 * that was killed goes on counting where it was. It holds no secrets. Times are epoch ms.
 */
import { z } from "zod";
import type { RunnerId } from "./runner-id.ts";

const planSchema = z.object({
  at: z.number(),
  /** 0: no restart of what failed. */
  attempt: z.number().int().min(0),
  reason: z.string(),
  /** `cooldown`: the restarts in a row are used up, and after it they count anew. */
  kind: z.enum(["backoff", "cooldown"]),
  /** Asked for by an operator: also while the runner is paused. */
  isOrder: z.boolean(),
});

const runnerSchema = z.object({
  /** Its driver's kind: what we did not make, containers and units, is never ended unasked. */
  driver: z.string(),
  wish: z.enum(["run", "stopped", "retired"]),
  paused: z.boolean(),
  /** Restarts in a row. */
  attempts: z.number().int().min(0),
  /** Its next start; null where it runs, or is not started by itself. */
  plan: planSchema.nullable(),
  /** A run that is being ended by us; `since` says which one. */
  stop: z.object({ since: z.number(), reason: z.string() }).nullable(),
  /** Its last run has ended and nothing follows by itself. */
  down: z.boolean(),
  /** Somebody was told that it may not be restarted; once an incident. */
  denied: z.boolean(),
  /** Fingerprint of the entry that the live run was started with. */
  spec: z.string().nullable(),
  /** The live run: `since` as its driver says it, `from` when we saw it first, on our count. */
  run: z.object({ since: z.number(), from: z.number() }).nullable(),
  /** A restarted run that has not beaten yet; its attempt. */
  unproven: z.number().int().nullable(),
  hasBeaten: z.boolean(),
  /** Missed checks in a row. */
  misses: z.number().int().min(0),
  /** Since when each limit is exceeded. */
  over: z.record(z.string(), z.number()),
  /** Whether our count is the one that stands in the event stream. */
  isCountTold: z.boolean(),
});

const memorySchema = z.object({
  v: z.literal(1),
  /** Another one for each new memory, so that ids of events never repeat. */
  id: z.string(),
  /** Number of the next event. */
  serial: z.number().int().min(0),
  /** When it was last decided. */
  at: z.number(),
  checkedAt: z.number(),
  /** Until then nothing is restarted for silence. */
  graceUntil: z.number(),
  /** Runners that fell silent at the same moment; it was told. */
  hush: z
    .object({
      members: z.array(z.string()),
      from: z.number(),
      /** Since when some of them are heard again. */
      heardAt: z.number().nullable(),
    })
    .nullable(),
  runners: z.record(z.string(), runnerSchema),
});

export type RunnerMemory = z.infer<typeof runnerSchema>;
export type EnforcerMemory = z.infer<typeof memorySchema>;

export function newMemory(id: string, now: number): EnforcerMemory {
  return {
    v: 1,
    id,
    serial: 0,
    at: now,
    checkedAt: now,
    graceUntil: now,
    hush: null,
    runners: {},
  };
}

/** What is known of a runner that was never decided on. */
export function newRunnerMemory(driver: string): RunnerMemory {
  return {
    driver,
    wish: "run",
    paused: false,
    attempts: 0,
    plan: null,
    stop: null,
    down: false,
    denied: false,
    spec: null,
    run: null,
    unproven: null,
    hasBeaten: false,
    misses: 0,
    over: {},
    isCountTold: false,
  };
}

/** Reads what was written; undefined where it is no memory. */
export function parseMemory(value: unknown): EnforcerMemory | undefined {
  const parsed = memorySchema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/**
 * The memory as an enforcer that has just been started takes it: the time that passed without one
 * counts, missed checks do not. A clock that was set back meanwhile makes no wait longer.
 */
export function resumed(memory: EnforcerMemory, now: number): EnforcerMemory {
  const shifted = now < memory.at ? shiftTimes(memory, now - memory.at) : memory;
  const runners = mapRunners(shifted, (runner) => ({ ...runner, misses: 0, over: {} }));
  return { ...shifted, at: now, checkedAt: now, runners };
}

/** After an orderly end, or a reboot, nothing runs, and whatever should run is started anew. */
export function withoutRuns(memory: EnforcerMemory): EnforcerMemory {
  const runners = mapRunners(memory, (runner) => ({
    ...runner,
    plan: runner.plan?.kind === "cooldown" ? runner.plan : null,
    stop: null,
    down: false,
    denied: false,
    run: null,
    unproven: null,
    misses: 0,
    over: {},
  }));
  return { ...memory, runners };
}

/** Moves every moment that something waits for: the clock was set, no time has passed. */
export function shiftTimes(memory: EnforcerMemory, byMs: number): EnforcerMemory {
  const runners = mapRunners(memory, (runner) => ({
    ...runner,
    plan: runner.plan && { ...runner.plan, at: runner.plan.at + byMs },
    run: runner.run && { ...runner.run, from: runner.run.from + byMs },
    over: Object.fromEntries(
      Object.entries(runner.over).map(([limit, since]) => [limit, since + byMs]),
    ),
  }));
  const { at, checkedAt, graceUntil, hush } = memory;
  const heardAt = hush?.heardAt == null ? null : hush.heardAt + byMs;
  return {
    ...memory,
    hush: hush && { ...hush, heardAt },
    at: at + byMs,
    checkedAt: checkedAt + byMs,
    graceUntil: graceUntil + byMs,
    runners,
  };
}

export function runnersOf(memory: EnforcerMemory): [RunnerId, RunnerMemory][] {
  return Object.entries(memory.runners) as [RunnerId, RunnerMemory][];
}

function mapRunners(
  memory: EnforcerMemory,
  change: (runner: RunnerMemory) => RunnerMemory,
): Record<string, RunnerMemory> {
  return Object.fromEntries(runnersOf(memory).map(([id, runner]) => [id, change(runner)]));
}
