/** Which alerts are raised under some settings: the sentinel's rules over what was recorded. */
import { AlertBook } from "./alert-book.ts";
import type { BookSettings } from "./alert-book.ts";
import type { Alert } from "./alert.ts";
import { runnerTroubles } from "./alert-troubles.ts";
import type { RunnerCondition, TroubleSettings } from "./alert-troubles.ts";
import { UNKNOWN_HOST } from "./heartbeat.ts";
import type { SimulatedOrder } from "./simulated-enforcer.ts";
import type { SimulatedFacts } from "./simulated-statuses.ts";
import { CLEAR_VIEW, statusOf } from "./status.ts";
import type { PipelineView, Status, Thresholds } from "./status.ts";

/** The sentinel looks every second; for a day of many runners that would take too long here. */
const LOOK_EVERY_MS = 5_000;

export interface SimulatedAlertSettings extends BookSettings, TroubleSettings {
  readonly flapWindowSec: number;
}

export interface SimulatedAlertsOptions {
  readonly settings: SimulatedAlertSettings;
  readonly thresholds: Thresholds;
  readonly cooldownSec: number;
  /** Epoch ms. */
  readonly from: number;
  readonly onRaised: (alert: Alert, at: number) => void;
}

interface Watched {
  facts: SimulatedFacts;
  status: Status | undefined;
  /** When it fell from online. */
  falls: number[];
  cooldownUntil: number | null;
  lastFailure: string | null;
  denied: string | null;
}

export class SimulatedAlerts {
  readonly #options: SimulatedAlertsOptions;
  readonly #book: AlertBook;
  readonly #runners = new Map<string, Watched>();
  #view: PipelineView = CLEAR_VIEW;
  #nextLookAt: number;

  constructor(options: SimulatedAlertsOptions) {
    this.#options = options;
    this.#book = new AlertBook(options.settings);
    this.#nextLookAt = options.from;
  }

  take(runner: string, facts: SimulatedFacts): void {
    const known = this.#runners.get(runner);
    if (known !== undefined) known.facts = facts;
    else {
      const calm = { falls: [], cooldownUntil: null, lastFailure: null, denied: null };
      this.#runners.set(runner, { facts, status: undefined, ...calm });
    }
  }

  takeOrder({ runner, kind, at, reason }: SimulatedOrder): void {
    const known = this.#runners.get(runner);
    if (known === undefined) return;
    known.denied = kind === "denied" ? reason : null;
    known.cooldownUntil = kind === "exhausted" ? at + this.#options.cooldownSec * 1_000 : null;
    if (kind === "exhausted") known.lastFailure = reason;
  }

  takeGap(from: number, to: number): void {
    this.#nextLookAt = Math.max(this.#nextLookAt, to);
    this.#view = { blindSince: null, lastBlind: { from, to } };
  }

  /** @param before each look, so that everything else has come as far. */
  advance(until: number, before: (time: number) => void): void {
    while (this.#nextLookAt <= until) {
      before(this.#nextLookAt);
      this.#look(this.#nextLookAt);
      this.#nextLookAt += LOOK_EVERY_MS;
    }
  }

  #look(now: number): void {
    const { settings, onRaised } = this.#options;
    const conditions: RunnerCondition[] = [];
    const unsure = new Set<string>();
    for (const [runner, watched] of this.#runners) {
      const condition = this.#condition(runner, watched, now);
      if (condition.status.status === "unknown") unsure.add(runner);
      else if (!watched.facts.retired && !watched.facts.paused) conditions.push(condition);
    }
    const troubles = runnerTroubles(conditions, now, settings);
    const told = this.#book.look({ now, troubles, silences: [], unsure, frozen: () => false });
    for (const alert of told) if (alert.action === "raised") onRaised(alert, now);
  }

  #condition(runner: string, watched: Watched, now: number): RunnerCondition {
    const { facts } = watched;
    const { liveness, current, beat } = facts;
    const thresholds = { ...this.#options.thresholds, ...facts.thresholds };
    const status = statusOf(liveness, now, thresholds, this.#view);
    this.#follow(watched, status.status, now);
    const own = current?.isBeating === true ? beat : undefined;
    const announced = current?.announced;
    const hasEnded = announced !== undefined && announced.ended_at !== null;
    const host = current?.host ?? "";
    const { falls, cooldownUntil, lastFailure, denied } = watched;
    return {
      runner,
      kind: runner.slice(0, runner.indexOf("/")),
      host: host === UNKNOWN_HOST ? "" : host,
      status,
      health: own?.health ?? null,
      lastHeartbeatAt: liveness.lastHeartbeatAt,
      intervalSec: liveness.intervalSec ?? thresholds.intervalSec,
      exit: hasEnded ? { code: announced.exit_code, signal: announced.signal } : null,
      isDeclared: facts.isDeclared,
      cooldownUntil,
      lastFailure,
      denied,
      skewMs: own?.clock_offset_ms ?? 0,
      falls: falls.length,
    };
  }

  #follow(watched: Watched, status: Status, now: number): void {
    const fell = watched.status === "online" && status !== "online" && status !== "unknown";
    if (fell) watched.falls.push(now);
    const from = now - this.#options.settings.flapWindowSec * 1_000;
    if ((watched.falls[0] ?? now) < from) watched.falls = watched.falls.filter((at) => at >= from);
    if (status === "online") watched.denied = null;
    watched.status = status;
  }
}
