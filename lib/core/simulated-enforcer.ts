/** An enforcer of one host, run over what was recorded: `decide` itself, look by look. */
import { decide } from "./decide.ts";
import type { Action, DecideSettings } from "./decide-action.ts";
import { newMemory } from "./decide-memory.ts";
import type { EnforcerMemory, RunnerMemory } from "./decide-memory.ts";
import type { Fleet, FleetEntry } from "./fleet.ts";
import type { RunnerSeen } from "./observed.ts";
import type { RunnerId } from "./runner-id.ts";
import { SimulatedRunner } from "./simulated-runner.ts";
import { CLEAR_VIEW } from "./status.ts";
import type { PipelineView, Thresholds } from "./status.ts";

/** Its own heartbeat may be late by so many intervals before it counts itself blind. */
const SELF_LATE_INTERVALS = 2.5;

export interface SimulatedOrder {
  readonly runner: string;
  /** Epoch ms. */
  readonly at: number;
  readonly kind: "restart" | "exhausted" | "denied";
  readonly attempt: number;
  readonly reason: string;
  /** What it follows from; the same under any settings. */
  readonly anchor: number;
}

export interface SimulatedEnforcerOptions {
  readonly lists: Pick<Fleet, "restartAllow" | "restartDeny">;
  readonly settings: DecideSettings;
  readonly thresholds: Thresholds;
  /** Epoch ms. */
  readonly from: number;
  readonly onOrder: (order: SimulatedOrder) => void;
}

export class SimulatedEnforcer {
  readonly runners = new Map<RunnerId, SimulatedRunner>();
  readonly #options: SimulatedEnforcerOptions;
  readonly #entries = new Map<RunnerId, FleetEntry>();
  readonly #fleet: Fleet;
  #memory: EnforcerMemory;
  #nextLookAt: number;
  /** Its own last heartbeat; null where none was ever recorded, and then it counts as sighted. */
  #selfAt: number | null = null;
  #sightedAt: number | null = null;
  #view: PipelineView = CLEAR_VIEW;

  constructor(options: SimulatedEnforcerOptions) {
    this.#options = options;
    this.#fleet = { ...options.lists, runners: this.#entries, secrets: [] };
    this.#memory = newMemory("simulated", options.from);
    this.#nextLookAt = options.from;
  }

  /** @param memory what an enforcer remembers of it at the beginning; undefined: nothing. */
  add(entry: FleetEntry, memory: RunnerMemory | undefined): SimulatedRunner {
    const runner = new SimulatedRunner(entry);
    this.runners.set(entry.runner, runner);
    this.#entries.set(entry.runner, entry);
    if (memory !== undefined) this.#memory.runners[entry.runner] = memory;
    return runner;
  }

  /** Changes what is remembered of a runner, as an operator's order does. */
  change(runner: RunnerId, by: (memory: RunnerMemory) => void): void {
    const known = this.#memory.runners[runner];
    if (known === undefined) return;
    by(known);
  }

  takeSelf(time: number): void {
    if (this.#isBlindAt(time)) {
      this.#sightedAt = time;
      this.#view = { blindSince: null, lastBlind: { from: this.#selfAt ?? time, to: time } };
    }
    this.#selfAt = time;
  }

  /** Something happened that an enforcer does not wait for its next check to see. */
  lookSoon(time: number): void {
    this.#nextLookAt = Math.min(this.#nextLookAt, time);
  }

  /** Looks as often as it would, up to this time. */
  advance(until: number): void {
    while (this.#nextLookAt <= until) this.#look(this.#nextLookAt);
  }

  #look(now: number): void {
    const { settings } = this.#options;
    const { memory, actions, wakeAt } = decide(
      this.#fleet,
      settings,
      this.#observed(now),
      this.#memory,
      now,
    );
    this.#memory = memory;
    let hasChanged = false;
    for (const action of actions) hasChanged = this.#do(action, now) || hasChanged;
    const checkAt = memory.checkedAt + settings.checkEverySec * 1_000;
    const nextAt = hasChanged ? now + 1 : Math.min(wakeAt ?? Infinity, checkAt);
    this.#nextLookAt = Math.max(now + 1, nextAt);
  }

  #observed(now: number) {
    const isBlind = this.#isBlindAt(now);
    const view = isBlind ? { ...this.#view, blindSince: this.#selfAt } : this.#view;
    const runners = new Map<RunnerId, RunnerSeen>();
    for (const [id, runner] of this.runners) {
      runners.set(id, runner.seenAt(now, this.#options.thresholds, view));
    }
    return { runners, blindSince: isBlind ? this.#selfAt : null, sightedAt: this.#sightedAt };
  }

  #isBlindAt(now: number): boolean {
    const { settings, thresholds } = this.#options;
    const lateMs =
      Math.max(thresholds.onlineSec, settings.intervalSec * SELF_LATE_INTERVALS) * 1_000;
    return this.#selfAt !== null && now - this.#selfAt > lateMs;
  }

  /** True where it is to look again at once. */
  #do(action: Action, now: number): boolean {
    const runner = this.runners.get(action.runner);
    if (runner === undefined || action.kind === "note") return false;
    switch (action.kind) {
      case "settle":
        runner.settle();
        return false;
      case "stop":
        runner.stop();
        return true;
      case "start": {
        const reason = this.#reasons.get(action.runner) ?? "";
        if (action.attempt > 0) this.#tell(runner, now, "restart", action.attempt, reason);
        runner.start(now);
        return true;
      }
      case "event":
        this.#takeEvent(runner, action, now);
        return false;
    }
  }

  readonly #reasons = new Map<RunnerId, string>();

  #takeEvent(
    runner: SimulatedRunner,
    event: Extract<Action, { kind: "event" }>,
    now: number,
  ): void {
    if (event.type === "restart_scheduled") {
      this.#reasons.set(event.runner, event.data.reason);
    } else if (event.type === "restart_exhausted") {
      this.#tell(runner, now, "exhausted", event.data.attempt, event.data.reason);
    } else if (event.type === "restart_denied") {
      this.#tell(runner, now, "denied", 0, event.data.why);
    }
  }

  #tell(
    { entry, anchor }: SimulatedRunner,
    at: number,
    kind: SimulatedOrder["kind"],
    attempt: number,
    reason: string,
  ): void {
    this.#options.onOrder({ runner: entry.runner, at, kind, attempt, reason, anchor });
  }
}
