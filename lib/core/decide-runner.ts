/** One runner: what is done about it after a look, and what is remembered. */
import { checkLimits } from "./decide-limits.ts";
import { isMissed } from "./decide-silence.ts";
import type { Action, DecideSettings } from "./decide-action.ts";
import type { RunnerMemory } from "./decide-memory.ts";
import { STOPPED_BY_OPERATOR } from "./decide-orders.ts";
import type { EventData, EventType } from "./event.ts";
import type { Fleet, FleetEntry } from "./fleet.ts";
import { specOf } from "./fleet-spec.ts";
import type { RunSeen, RunnerSeen } from "./observed.ts";
import {
  afterEnd,
  isStable,
  listDenial,
  restartDenial,
  restartSettings,
} from "./restart-policy.ts";
import type { RestartSettings } from "./restart-policy.ts";
import type { RunnerId } from "./runner-id.ts";

type Running = Extract<RunSeen, { kind: "running" }>;

/** What all runners have in common at one look. */
export interface Look {
  readonly fleet: Fleet;
  readonly settings: DecideSettings;
  readonly now: number;
  /** Whether this look counts as a check. */
  readonly isCheck: boolean;
  /** Whether a runner's silence may be our own, or everybody's: it is not held against it. */
  readonly isExcused: (seen: RunnerSeen) => boolean;
  readonly event: <T extends EventType>(runner: RunnerId, type: T, data: EventData<T>) => void;
  readonly act: (action: Action) => void;
  /** The next look must be no later than that. */
  readonly wakeAt: (time: number) => void;
}

/** Decides on one runner of the fleet. @returns what is remembered of it. */
export function decideRunner(
  look: Look,
  entry: FleetEntry,
  seen: RunnerSeen,
  before: RunnerMemory,
): RunnerMemory {
  const decision = new RunnerDecision(look, entry, seen, before);
  decision.decide();
  return decision.memory;
}

/** Whether we made its process: then we may end it when it is no longer wanted. */
export function isOwn(driver: string): boolean {
  return driver === "camera" || driver === "command";
}

class RunnerDecision {
  readonly memory: RunnerMemory;
  readonly #look: Look;
  readonly #entry: FleetEntry;
  readonly #seen: RunnerSeen;
  readonly #restart: RestartSettings;
  readonly #spec: string;

  constructor(look: Look, entry: FleetEntry, seen: RunnerSeen, before: RunnerMemory) {
    this.memory = { ...before, driver: entry.driver.kind };
    this.#look = look;
    this.#entry = entry;
    this.#seen = seen;
    this.#restart = restartSettings(look.settings.restart, entry.restart);
    this.#spec = specOf(entry);
  }

  decide(): void {
    const { run } = this.#seen;
    switch (run.kind) {
      case "stopping":
        return;
      case "running":
        return this.#running(run);
      case "none":
      case "ended":
        this.#takeEnd(run);
        this.#startIfDue();
    }
  }

  #takeEnd(run: Exclude<RunSeen, Running | { kind: "stopping" }>): void {
    const { memory } = this;
    const { runner } = this.#entry;
    if (run.kind === "ended") this.#look.act({ kind: "settle", runner });
    const lived = memory.run;
    const wasOurs = memory.stop !== null;
    memory.run = null;
    memory.stop = null;
    memory.misses = 0;
    memory.over = {};
    if (run.kind === "ended" || lived !== null) memory.unproven = null;
    if (wasOurs || memory.wish !== "run") return;
    if (run.kind === "ended") return this.#failed(run.reason, run.ranSec, run.isPermanent);
    if (lived === null) return;
    this.#failed("its process is gone", Math.max(0, this.#look.now - lived.from) / 1000, false);
  }

  /** A run that should have gone on has ended. */
  #failed(reason: string, ranSec: number, isPermanent: boolean): void {
    const { memory } = this;
    if (memory.plan?.kind === "cooldown") return;
    if (memory.paused) {
      memory.down = true;
      return;
    }
    if (isStable(ranSec, this.#restart)) memory.attempts = 0;
    if (this.#tryPlan(reason, isPermanent)) return;
    memory.down = true;
  }

  /** Plans the next attempt, or the cooldown. False where restarting is denied: said once. */
  #tryPlan(reason: string, isPermanent: boolean): boolean {
    const { memory } = this;
    const { fleet, now } = this.#look;
    const denial = restartDenial(fleet, this.#restart, this.#entry.runner);
    if (denial !== undefined) {
      this.#deny(denial);
      return false;
    }
    const end = { ranSec: 0, reason, at: now };
    const { decision } = afterEnd(memory, end, this.#restart, undefined);
    memory.isCountTold = true;
    if (decision.kind === "exhausted") this.#exhaust(reason, decision.cooldownUntil);
    // What only a change can mend is tried again slowly: cameras lock out who knocks too often.
    else if (decision.kind === "restart") {
      const { cooldownSec } = this.#restart;
      const delaySec = isPermanent ? Math.max(cooldownSec, decision.delaySec) : decision.delaySec;
      this.#planAttempt(decision.attempt, delaySec, reason);
    }
    return true;
  }

  #planAttempt(attempt: number, delaySec: number, reason: string): void {
    const { memory } = this;
    const { runner } = this.#entry;
    memory.attempts = attempt;
    memory.plan = {
      at: this.#look.now + delaySec * 1000,
      attempt,
      reason,
      kind: "backoff",
      isOrder: false,
    };
    this.#look.event(runner, "restart_scheduled", { attempt, delay_sec: delaySec, reason });
    const count = `attempt ${attempt}/${this.#restart.maxAttempts}`;
    this.#note("warn", `restart of ${runner} in ${delaySec} s (${count}): ${reason}`);
  }

  #exhaust(reason: string, cooldownUntil: number): void {
    const { memory } = this;
    const { runner } = this.#entry;
    const { attempts } = memory;
    memory.plan = { at: cooldownUntil, attempt: 1, reason, kind: "cooldown", isOrder: false };
    const until = new Date(cooldownUntil).toISOString();
    const data = { attempt: attempts, cooldown_until: until, reason };
    this.#look.event(runner, "restart_exhausted", data);
    const used = `${attempts}/${this.#restart.maxAttempts}`;
    this.#note("error", `${runner} exhausted restart attempts (${used}); next one at ${until}`);
  }

  #deny(why: string): void {
    if (this.memory.denied) return;
    const { runner } = this.#entry;
    this.memory.denied = true;
    this.#look.event(runner, "restart_denied", { why });
    const text = why.startsWith("unhealthy") ? `${runner} is ${why}` : `${runner}: ${why}`;
    this.#note("warn", `${text} - alerting only`);
  }

  #startIfDue(): void {
    const { memory } = this;
    const { now, fleet } = this.#look;
    if (memory.wish !== "run") return;
    if (memory.paused && memory.plan?.isOrder !== true) return;
    if (memory.spec !== null && memory.spec !== this.#spec) this.#forgetFailures();
    if (memory.down) {
      if (restartDenial(fleet, this.#restart, this.#entry.runner) !== undefined) return;
      memory.down = false;
      memory.denied = false;
      if (!this.#tryPlan("it has ended and may be restarted now", false)) return;
    }
    const plan = this.#plan();
    if (plan !== null && now < plan.at) return this.#look.wakeAt(plan.at);
    // Without a plan it is a first start, or one that an enforcer that was killed did not get to.
    const attempt = plan === null ? (memory.unproven ?? 0) : plan.attempt;
    const denial = restartDenial(fleet, this.#restart, this.#entry.runner);
    if (attempt > 0 && denial !== undefined) return this.#giveUp(denial);
    if (plan?.kind === "cooldown") this.#countAnew(plan.reason);
    this.#start(attempt);
  }

  /** What is planned, no later than anything can be: settings may have changed since. */
  #plan(): RunnerMemory["plan"] {
    const { memory } = this;
    const { cooldownSec, backoffSec } = this.#restart;
    const longestMs = Math.max(cooldownSec, ...backoffSec) * 1000;
    if (memory.plan === null) return null;
    memory.plan = { ...memory.plan, at: Math.min(memory.plan.at, this.#look.now + longestMs) };
    return memory.plan;
  }

  /** The fleet file was edited, or the configuration, while a restart was planned. */
  #giveUp(denial: string): void {
    Object.assign(this.memory, { plan: null, unproven: null, down: true });
    this.#deny(denial);
  }

  /** Another entry is another thing: what failed was the old one. */
  #forgetFailures(): void {
    Object.assign(this.memory, { attempts: 0, plan: null, down: false, denied: false });
  }

  #countAnew(reason: string): void {
    const { runner } = this.#entry;
    this.#look.event(runner, "restart_reset", { reason: "the cooldown is over" });
    this.#look.event(runner, "restart_scheduled", { attempt: 1, delay_sec: 0, reason });
    this.memory.attempts = 1;
  }

  #start(attempt: number): void {
    const { memory } = this;
    const { runner } = this.#entry;
    memory.plan = null;
    memory.spec = this.#spec;
    memory.unproven = attempt > 0 ? attempt : null;
    memory.denied = false;
    if (attempt > 0) {
      const count = `attempt ${attempt}/${this.#restart.maxAttempts}`;
      this.#note("warn", `Attempting restart of ${runner} (${count})`);
    }
    this.#look.act({ kind: "start", runner, entry: this.#entry, attempt });
  }

  #running(run: Running): void {
    const { memory } = this;
    this.#meet(run);
    if (memory.stop !== null) return this.#end(memory.stop.reason);
    if (memory.wish !== "run") return this.#end(STOPPED_BY_OPERATOR);
    if (memory.paused) {
      memory.misses = 0;
      memory.over = {};
      return;
    }
    if (memory.spec !== this.#spec) return this.#changed();
    this.#prove();
    const reason = this.#silent() ?? this.#excessive();
    if (memory.plan?.kind === "cooldown") this.#whileCooling(reason);
    else if (reason !== undefined && this.#tryPlan(reason, false)) this.#endForPlan(reason);
    else if (memory.stop === null) this.#forgiveWhenStable();
  }

  /** Takes note of which run it is. */
  #meet(run: Running): void {
    const { memory } = this;
    const { now } = this.#look;
    memory.down = false;
    memory.spec ??= this.#spec;
    if (memory.run?.since !== run.since) {
      memory.run = { since: run.since, from: now };
      memory.misses = 0;
      memory.over = {};
    }
    // A stop that was meant for another run, remembered by an enforcer that was killed.
    if (memory.stop !== null && memory.stop.since !== run.since) memory.stop = null;
    if (memory.stop === null && memory.plan?.kind === "backoff") memory.plan = null;
    if (this.#seen.beats.lastAt !== null) memory.hasBeaten = true;
  }

  #end(reason: string): void {
    const { memory } = this;
    if (memory.run !== null) memory.stop ??= { since: memory.run.since, reason };
    this.#look.act({ kind: "stop", runner: this.#entry.runner, reason });
  }

  /** Only what is to be started again is ended; in a cooldown it is left as it is. */
  #endForPlan(reason: string): void {
    if (this.memory.plan?.kind === "backoff") this.#end(reason);
    else if (this.memory.plan !== null) this.#look.wakeAt(this.memory.plan.at);
  }

  #changed(): void {
    const { memory } = this;
    const { fleet, now } = this.#look;
    const { runner, driver } = this.#entry;
    const reason = "its entry in the fleet file has changed";
    const listed = listDenial(fleet, runner);
    if (!isOwn(driver.kind)) memory.spec = this.#spec;
    else if (listed !== undefined) this.#deny(`${reason}, but it is ${listed}`);
    else {
      this.#forgetFailures();
      memory.plan = { at: now, attempt: 0, reason, kind: "backoff", isOrder: false };
      this.#end(reason);
    }
  }

  /** The first heartbeat of a restarted run is what its restart was for. */
  #prove(): void {
    const { memory } = this;
    if (this.#seen.beats.status !== "online") return;
    // The incident is over: the next one is told again.
    if (Object.keys(memory.over).length === 0) memory.denied = false;
    if (memory.unproven === null) return;
    memory.unproven = null;
    this.#note("info", `Successfully restarted ${this.#entry.runner}`);
  }

  /** Why it counts as silent; undefined where it does not, or not yet. */
  #silent(): string | undefined {
    const { memory } = this;
    const { settings, isCheck, isExcused } = this.#look;
    const { runner } = this.#entry;
    if (isExcused(this.#seen) || !isMissed(this.#seen) || !this.#mayBeJudged()) {
      memory.misses = 0;
      return undefined;
    }
    if (isCheck) {
      memory.misses++;
      const count = `${memory.misses} consecutive ${memory.misses === 1 ? "miss" : "misses"}`;
      if (memory.misses <= settings.missThreshold) {
        this.#note("warn", `${runner} missing heartbeat (${count})`);
      }
    }
    if (memory.misses < settings.missThreshold) return undefined;
    return `missing heartbeat (${settings.missThreshold} consecutive misses)`;
  }

  /** A container or unit that has never beaten may know nothing of heartbeats. */
  #mayBeJudged(): boolean {
    return isOwn(this.#entry.driver.kind) || this.memory.hasBeaten;
  }

  #excessive(): string | undefined {
    const { memory } = this;
    const { now } = this.#look;
    const { runner, limits } = this.#entry;
    const { over, excess, dueAt } = checkLimits(limits, this.#seen.beats, memory.over, now);
    memory.over = over;
    if (dueAt !== null) this.#look.wakeAt(dueAt);
    if (excess === undefined || memory.denied || memory.plan !== null) return undefined;
    this.#look.event(runner, "limit_exceeded", excess.event);
    return excess.reason;
  }

  /** Its restarts are used up and it is still not well, or well again by itself. */
  #whileCooling(reason: string | undefined): void {
    const { memory } = this;
    const { plan } = memory;
    if (plan === null || this.#look.now < plan.at) {
      if (plan !== null) this.#look.wakeAt(plan.at);
      return;
    }
    const isUnwell = reason !== undefined || Object.keys(memory.over).length > 0;
    const denial = restartDenial(this.#look.fleet, this.#restart, this.#entry.runner);
    if (isUnwell && denial !== undefined) {
      memory.plan = null;
      this.#deny(denial);
    } else if (isUnwell) {
      this.#countAnew(plan.reason);
      memory.plan = {
        at: this.#look.now,
        attempt: 1,
        reason: plan.reason,
        kind: "backoff",
        isOrder: false,
      };
      this.#end(plan.reason);
    } else {
      memory.plan = null;
      memory.attempts = 0;
      this.#look.event(this.#entry.runner, "restart_reset", { reason: "the cooldown is over" });
    }
  }

  /**
   * A run that is long enough makes up for failures: said once when it is, and also for the first
   * one, for the count of an earlier enforcer, whose memory was lost, may still stand.
   */
  #forgiveWhenStable(): void {
    const { memory } = this;
    if (memory.run === null || memory.denied || Object.keys(memory.over).length > 0) return;
    if (memory.misses > 0 || (isMissed(this.#seen) && this.#mayBeJudged())) return;
    if (memory.isCountTold && memory.attempts === 0) return;
    const { stableSec } = this.#restart;
    const dueAt = memory.run.from + stableSec * 1000;
    if (this.#look.now < dueAt) return this.#look.wakeAt(dueAt);
    memory.attempts = 0;
    memory.isCountTold = true;
    const reason = `ran well for ${stableSec} s`;
    this.#look.event(this.#entry.runner, "restart_reset", { reason });
  }

  #note(level: "info" | "warn" | "error", text: string): void {
    this.#look.act({ kind: "note", runner: this.#entry.runner, level, text });
  }
}
