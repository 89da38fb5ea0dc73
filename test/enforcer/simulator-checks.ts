/** What must hold in every history, looked at from outside with the true time. */
import type { Action } from "../../lib/core/decide-action.ts";
import type { Fleet } from "../../lib/core/fleet.ts";
import { listDenial, restartDenial, restartSettings } from "../../lib/core/restart-policy.ts";
import type { RestartSettings } from "../../lib/core/restart-policy.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import type { SimWorld } from "./simulator-world.ts";

/** Looks come on time, but for timers that are rounded. */
const SLACK_MS = 1_000;

interface Record {
  /** True times of restarts since the last thing that excuses new ones. */
  restarts: number[];
  /** Since when it is down while the enforcer could do something about it. */
  downSince: number | null;
  /** A start is due without any failure: first, changed, or ordered. */
  mayStartFresh: boolean;
  /** It may be ended: changed, removed or ordered. */
  mayStop: boolean;
  /** The enforcer knows it as it was some time ago. */
  isStale: boolean;
}

/** What follows from knowledge that is no longer true is done once more. */
const STALE_REASONS = ["its entry in the fleet file has changed", "it was stopped by an operator"];

export class SimChecks {
  readonly #world: SimWorld;
  readonly #settings: RestartSettings;
  readonly #records = new Map<RunnerId, Record>();

  constructor(world: SimWorld, settings: RestartSettings) {
    this.#world = world;
    this.#settings = settings;
  }

  of(runner: RunnerId): Record {
    let record = this.#records.get(runner);
    if (record === undefined) {
      record = {
        restarts: [],
        downSince: null,
        mayStartFresh: true,
        mayStop: false,
        isStale: false,
      };
      this.#records.set(runner, record);
    }
    return record;
  }

  /** From here on a new count, a start or a stop of this runner is right. */
  excuse(runner: RunnerId): void {
    Object.assign(this.of(runner), { restarts: [], mayStartFresh: true, mayStop: true });
    this.of(runner).downSince = null;
  }

  /** An older memory came back: counts and denials since are forgotten, but nobody may be harmed. */
  stale(runner: RunnerId): void {
    Object.assign(this.of(runner), { restarts: [], mayStartFresh: true, isStale: true });
    this.of(runner).downSince = null;
  }

  /** Waits begin anew: nobody was there, or the clock was set. */
  resetWaits(): void {
    for (const record of this.#records.values()) record.downSince = null;
  }

  forgetCounts(): void {
    for (const record of this.#records.values()) record.restarts = [];
  }

  action(action: Action, fleet: Fleet): void {
    if (action.kind === "start") this.#started(action, fleet);
    if (action.kind === "stop") this.#stopped(action, fleet);
  }

  #started({ runner, attempt }: Extract<Action, { kind: "start" }>, fleet: Fleet): void {
    const record = this.of(runner);
    const { now } = this.#world;
    if (this.#world.isAlive(runner)) fail(`${runner} is started while it lives`);
    if (!fleet.runners.has(runner)) fail(`${runner} is started but not in the fleet`);
    const entry = fleet.runners.get(runner);
    const settings = restartSettings(this.#settings, entry?.restart ?? NO_OVERRIDES);
    if (attempt === 0 && !record.mayStartFresh) fail(`${runner} is started anew for no reason`);
    record.mayStartFresh = false;
    record.downSince = null;
    if (attempt === 0) return;
    const denial = restartDenial(fleet, settings, runner);
    if (denial !== undefined) fail(`${runner} is restarted although ${denial}`);
    const windowMs = Math.min(settings.cooldownSec, settings.stableSec) * 1000 - SLACK_MS;
    record.restarts = [...record.restarts.filter((at) => now - at < windowMs), now];
    if (record.restarts.length > settings.maxAttempts) {
      fail(`${runner} is restarted ${record.restarts.length} times in ${windowMs / 1000} s`);
    }
  }

  #stopped({ runner, reason }: Extract<Action, { kind: "stop" }>, fleet: Fleet): void {
    const { world, record } = { world: this.#world, record: this.of(runner) };
    if (!world.isAlive(runner)) fail(`${runner} is stopped but does not live`);
    if (record.mayStop || (record.isStale && STALE_REASONS.includes(reason))) {
      // What replaces it is no restart of a failure.
      record.mayStartFresh = true;
      return;
    }
    if (!reason.startsWith("missing heartbeat")) fail(`${runner} is stopped: ${reason}`);
    if (!world.isHung(runner)) fail(`${runner} beats, and is stopped: ${reason}`);
    const denied = listDenial(fleet, runner);
    if (denied !== undefined) fail(`${runner} is stopped although it is ${denied}`);
  }

  /** After a look of an enforcer that lives: what can run must not be down for too long. */
  looked(fleet: Fleet, isHeld: (runner: RunnerId) => boolean): void {
    for (const { runner, restart } of fleet.runners.values()) {
      const record = this.of(runner);
      const settings = restartSettings(this.#settings, restart);
      const isDenied = restartDenial(fleet, settings, runner) !== undefined;
      if (this.#world.isAlive(runner) || isDenied || isHeld(runner)) {
        record.downSince = null;
        continue;
      }
      record.downSince ??= this.#world.now;
      const longestSec = Math.max(settings.cooldownSec, ...settings.backoffSec);
      const downMs = this.#world.now - record.downSince;
      if (downMs > longestSec * 1000 + SLACK_MS) fail(`${runner} is down for ${downMs} ms`);
    }
  }
}

const NO_OVERRIDES = {
  backoffSec: undefined,
  maxAttempts: undefined,
  cooldownSec: undefined,
  stableSec: undefined,
};

function fail(message: string): never {
  throw new Error(message);
}
