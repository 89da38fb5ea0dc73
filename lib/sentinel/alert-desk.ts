/** Looks at the fleet by the rules of alerts, and tells what comes of it on the ALERTS stream. */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { AlertBook } from "../core/alert-book.ts";
import type { BookSettings } from "../core/alert-book.ts";
import type { Alert, AlertType } from "../core/alert.ts";
import type { Silence } from "../core/silence.ts";
import { runnerTroubles } from "../core/alert-troubles.ts";
import type { RunnerCondition, Trouble, TroubleSettings } from "../core/alert-troubles.ts";
import { AppError, messageOf } from "../core/errors.ts";
import type { Moment, ReadModels } from "../core/read-models.ts";
import type { Status } from "../core/status.ts";
import { formatTime } from "../core/time.ts";
import type { AlertStream } from "./alert-stream.ts";
import { conditionOf } from "./conditions.ts";

export type AlertModelsUsed = Pick<ReadModels, "watch" | "silences" | "timeline" | "summary">;

export interface AlertSettings extends BookSettings, TroubleSettings {
  readonly flapWindowSec: number;
  /** 0: none. */
  readonly summaryEverySec: number;
}

export interface AlertDeskOptions {
  readonly models: AlertModelsUsed;
  readonly settings: AlertSettings;
  readonly stream: AlertStream;
  readonly by: string;
  /** What is wrong with Runbeat itself. */
  readonly ownTroubles: () => readonly Trouble[];
  readonly log: Pick<Logger, "warn" | "debug">;
}

/** What can be judged while nothing is seen of the runners. */
const OWN_TYPES: readonly AlertType[] = [
  "pipeline_down",
  "projection_behind",
  "projection_stopped",
  "verify_difference",
  "disk_full",
];
const MAX_SILENCES = 1_000;
const MAX_EVENTS = 1_000;
/** A refusal of the enforcer counts for so long unless it is said again. */
const DENIED_MS = 3_600_000;
/** Events are looked for less often than the fleet. */
const EVENTS_EVERY_MS = 5_000;
const BACKOFF_MS = 1_000;

interface Seen {
  readonly conditions: readonly RunnerCondition[];
  /** Runners of which nothing can be said. */
  readonly unsure: ReadonlySet<string>;
}

const NOTHING_SEEN: Seen = { conditions: [], unsure: new Set() };

export class AlertDesk {
  readonly #options: AlertDeskOptions;
  readonly #book: AlertBook;
  /** To be stored, in order. */
  readonly #outbox: Alert[] = [];
  /** When each runner fell from online lately. */
  readonly #falls = new Map<string, number[]>();
  #denied = new Map<string, string>();
  #deniedAt = 0;
  #isStoring = false;
  #overtaken: AppError | undefined;
  #summaryPeriod = 0;
  #isClosed = false;

  private constructor(options: AlertDeskOptions) {
    this.#options = options;
    this.#book = new AlertBook(options.settings);
  }

  /** Takes over the alerts that are open. @throws AppError `unavailable`. */
  static async open(options: AlertDeskOptions, now: number): Promise<AlertDesk> {
    const desk = new AlertDesk(options);
    await options.stream.read((alert) => desk.#book.restore(alert));
    desk.#readFalls(now);
    return desk;
  }

  /** A change of status was stored. */
  changed(runner: string, from: Status, to: Status, at: number): void {
    if (from !== "online" || (to !== "stale" && to !== "missing" && to !== "offline")) return;
    this.#falls.set(runner, [...this.#recentFalls(runner, at), at]);
  }

  /** @throws AppError `conflict` once another sentinel was found to be at work. */
  check(): void {
    if (this.#overtaken !== undefined) throw this.#overtaken;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Messages that wait to be stored. */
  get waiting(): number {
    return this.#outbox.length;
  }

  /** Looks once. */
  look(moment: Moment): void {
    const isBlind = moment.view.blindSince !== null;
    const seen = isBlind ? NOTHING_SEEN : this.#conditions(moment);
    if (seen === undefined) return;
    const { conditions, unsure } = seen;
    const troubles = runnerTroubles(conditions, moment.now, this.#options.settings);
    const told = this.#book.look({
      now: moment.now,
      troubles: [...this.#enabledOwn(), ...troubles],
      silences: this.#silences(moment.now),
      unsure,
      frozen: (type) => isBlind && !OWN_TYPES.includes(type),
    });
    this.#add(told);
    if (!isBlind) this.#summarize(moment);
  }

  /** Stores these too, after what is waiting. */
  #add(alerts: readonly Alert[]): void {
    this.#outbox.push(...alerts);
    if (!this.#isStoring) void this.#store();
  }

  #enabledOwn(): readonly Trouble[] {
    const { ownTroubles, settings } = this.#options;
    return ownTroubles().filter(({ type }) => settings.rules[type].enabled);
  }

  /** Undefined while the newest rows are not read yet: nobody is to be taken for well or ill. */
  #conditions(moment: Moment): Seen | undefined {
    const { models } = this.#options;
    this.#readDenied(moment.now);
    const conditions: RunnerCondition[] = [];
    const unsure = new Set<string>();
    const isWhole = models.watch(moment, (facts, status) => {
      if (status === "unknown") unsure.add(facts.runner);
      const falls = this.#recentFalls(facts.runner, moment.now).length;
      const denied = this.#denied.get(facts.runner) ?? null;
      const condition = conditionOf(facts, moment, { falls, denied });
      if (condition !== undefined) conditions.push(condition);
    });
    return isWhole ? { conditions, unsure } : undefined;
  }

  #silences(now: number): readonly Silence[] {
    const query = { activeAt: now, limit: MAX_SILENCES, after: undefined };
    return [...this.#options.models.silences(query).items];
  }

  #recentFalls(runner: string, now: number): readonly number[] {
    const all = this.#falls.get(runner);
    if (all === undefined) return [];
    const after = now - this.#options.settings.flapWindowSec * 1_000;
    const recent = all.filter((at) => at > after);
    if (recent.length === 0) this.#falls.delete(runner);
    else if (recent.length < all.length) this.#falls.set(runner, recent);
    return recent;
  }

  /** What was told before we were elected counts too. */
  #readFalls(now: number): void {
    const from = now - this.#options.settings.flapWindowSec * 1_000;
    const query = { runner: undefined, types: ["status_changed"], limit: MAX_EVENTS, from };
    const page = this.#options.models.timeline({ ...query, to: undefined, after: undefined });
    for (const { runner, data, time } of page.items.toReversed()) {
      const { from: before, to } = JSON.parse(data ?? "{}") as { from?: Status; to?: Status };
      if (before !== undefined && to !== undefined) this.changed(runner, before, to, time);
    }
  }

  #readDenied(now: number): void {
    if (now - this.#deniedAt < EVENTS_EVERY_MS) return;
    this.#deniedAt = now;
    const page = this.#options.models.timeline({
      runner: undefined,
      types: ["restart_denied"],
      limit: MAX_EVENTS,
      from: now - DENIED_MS,
      to: undefined,
      after: undefined,
    });
    this.#denied = new Map(
      page.items.toReversed().map(({ runner, data }) => {
        const { why } = JSON.parse(data ?? "{}") as { why?: string };
        return [runner, why ?? "it may not be restarted"];
      }),
    );
  }

  #summarize(moment: Moment): void {
    const { settings, models, by, stream, log } = this.#options;
    if (settings.summaryEverySec === 0) return;
    const period = Math.floor(moment.now / (settings.summaryEverySec * 1_000));
    if (period === this.#summaryPeriod) return;
    this.#summaryPeriod = period;
    const { total, status, health } = models.summary(moment);
    const { healthy, degraded, unhealthy } = health;
    const text = `${healthy} healthy, ${degraded} degraded, ${unhealthy} unhealthy, ${status.missing + status.offline} missing`;
    const body = { v: 1, at: formatTime(moment.now), by, total, status, health, text };
    stream
      .writeSummary({ ...body, open_alerts: this.#book.size }, period)
      .catch((error: unknown) => {
        log.debug(`the health summary was not stored: ${messageOf(error)}`);
      });
  }

  async #store(): Promise<void> {
    this.#isStoring = true;
    await this.#storeAll();
    this.#isStoring = false;
  }

  async #storeAll(): Promise<void> {
    const { stream, log } = this.#options;
    for (let alert = this.#outbox[0]; alert !== undefined; alert = this.#outbox[0]) {
      if (this.#isClosed) return;
      try {
        await stream.write(alert, Date.now());
        this.#outbox.shift();
      } catch (error) {
        if (error instanceof AppError && error.code === "conflict") {
          this.#overtaken = error;
          return;
        }
        log.warn({ alert: alert.id }, `an alert waits to be stored: ${messageOf(error)}`);
        await delay(BACKOFF_MS, undefined, { ref: false });
      }
    }
  }
}
