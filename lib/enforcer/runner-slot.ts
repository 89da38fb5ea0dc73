/** One runner of the fleet: started, watched, started again, in a line that can be read. */
import { setTimeout as delay } from "node:timers/promises";
import type { FleetEntry } from "../core/fleet.ts";
import { NO_FAILURES, afterEnd, restartDenial, restartSettings } from "../core/restart-policy.ts";
import type { RestartDecision, RestartMemory, RestartSettings } from "../core/restart-policy.ts";
import type { EnforcerOptions, SlotView } from "./enforcer.ts";
import { startRun } from "./process-driver.ts";
import type { Run, RunResult } from "./process-driver.ts";

export type SlotState =
  /** A process is being started or runs. */
  | "running"
  /** Waits for its next start. */
  | "waiting"
  /** Has used up its restarts for now. */
  | "cooling"
  /** Has ended and is not started again. */
  | "ended"
  /** Is not ours to start. */
  | "watched"
  /** Was stopped. */
  | "stopped";

export class RunnerSlot {
  readonly #entry: FleetEntry;
  readonly #options: EnforcerOptions;
  readonly #settings: RestartSettings;
  readonly #stopping = new AbortController();
  #state: SlotState = "waiting";
  #memory: RestartMemory = NO_FAILURES;
  #nextStartAt: number | null = null;
  #run: Run | undefined;
  #loop: Promise<void> = Promise.resolve();
  /** Whether this enforcer's count is the one that stands in the stream. */
  #isCountTold = false;

  constructor(entry: FleetEntry, options: EnforcerOptions) {
    this.#entry = entry;
    this.#options = options;
    this.#settings = restartSettings(options.restart, entry.restart);
  }

  get isWatchedOnly(): boolean {
    const { kind } = this.#entry.driver;
    return kind !== "camera" && kind !== "command";
  }

  start(): void {
    const { runner, driver } = this.#entry;
    if (this.isWatchedOnly) {
      this.#state = "watched";
      this.#options.log.info({ runner, driver: driver.kind }, `${runner} is watched only`);
    } else this.#loop = this.#keepRunning();
  }

  view(): SlotView {
    const { runner, driver } = this.#entry;
    return {
      runner,
      driver: driver.kind,
      state: this.#state,
      pid: this.#run?.identity()?.pid ?? null,
      attempts: this.#memory.attempts,
      nextStartAt: this.#nextStartAt,
    };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#run?.stop();
    await this.#loop;
    if (!this.isWatchedOnly) this.#state = "stopped";
  }

  async #keepRunning(): Promise<void> {
    const { runner } = this.#entry;
    for (let attempt: number | undefined = 0; attempt !== undefined;) {
      const result = await this.#runOnce(attempt);
      if (this.#stopping.signal.aborted) return;
      const denial = restartDenial(this.#options.fleet, this.#settings, runner);
      const end = { ...result, at: Date.now() };
      const { memory, decision } = afterEnd(this.#memory, end, this.#settings, denial);
      this.#memory = memory;
      attempt = await this.#follow(decision);
    }
  }

  /** One process from its start to its end. */
  async #runOnce(attempt: number): Promise<RunResult> {
    this.#state = "running";
    this.#nextStartAt = null;
    const stable = new AbortController();
    void this.#resetWhenStable(stable.signal);
    const run = startRun(this.#entry, attempt, this.#options);
    this.#run = run;
    const result = await run.ended;
    this.#run = undefined;
    stable.abort();
    return result;
  }

  /**
   * A run that is long enough makes up for failures: said once when it is, and also for the first
   * one, for an earlier enforcer's count may still stand.
   */
  async #resetWhenStable(signal: AbortSignal): Promise<void> {
    const { runner } = this.#entry;
    const { stableSec } = this.#settings;
    await delay(stableSec * 1000, undefined, { signal, ref: false }).catch(() => {});
    if (signal.aborted || (this.#isCountTold && this.#memory.attempts === 0)) return;
    this.#memory = NO_FAILURES;
    this.#isCountTold = true;
    this.#options.publish(runner, "restart_reset", { reason: `ran well for ${stableSec} s` });
  }

  /** Says and waits. @returns the attempt that the next start is; undefined: there is none. */
  async #follow(decision: RestartDecision): Promise<number | undefined> {
    const { runner } = this.#entry;
    const { publish, log } = this.#options;
    const { maxAttempts } = this.#settings;
    this.#isCountTold = true;
    switch (decision.kind) {
      case "denied":
        this.#state = "ended";
        publish(runner, "restart_denied", { why: decision.why });
        log.warn({ runner }, `${runner} is not restarted: ${decision.why}`);
        return undefined;
      case "restart": {
        const { attempt, delaySec, reason } = decision;
        publish(runner, "restart_scheduled", { attempt, delay_sec: delaySec, reason });
        const text = `restart of ${runner} in ${delaySec} s (attempt ${attempt}/${maxAttempts})`;
        log.warn({ runner, reason }, text);
        return (await this.#waitFor("waiting", delaySec * 1000)) ? attempt : undefined;
      }
      case "exhausted":
        return await this.#coolDown(decision);
    }
  }

  async #coolDown(
    decision: Extract<RestartDecision, { kind: "exhausted" }>,
  ): Promise<number | undefined> {
    const { runner } = this.#entry;
    const { publish, log } = this.#options;
    const { attempts, cooldownUntil, reason } = decision;
    const until = new Date(cooldownUntil).toISOString();
    publish(runner, "restart_exhausted", { attempt: attempts, cooldown_until: until, reason });
    const used = `${attempts}/${this.#settings.maxAttempts}`;
    log.error({ runner, reason, until }, `${runner} exhausted restart attempts (${used})`);
    if (!(await this.#waitFor("cooling", cooldownUntil - Date.now()))) return undefined;
    publish(runner, "restart_reset", { reason: "the cooldown is over" });
    publish(runner, "restart_scheduled", { attempt: 1, delay_sec: 0, reason });
    this.#memory = { attempts: 1 };
    return 1;
  }

  /** False where the wait was ended by a stop. */
  async #waitFor(state: SlotState, ms: number): Promise<boolean> {
    this.#state = state;
    this.#nextStartAt = Date.now() + ms;
    await delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
    return !this.#stopping.signal.aborted;
  }
}
