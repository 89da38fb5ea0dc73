/**
 * Tells of an outage of NATS itself. While it lasts nothing can be stored, so whoever watched last
 * tells the sinks at once; when NATS is back, the alert and its end go onto the stream. Who watched
 * and what was told is also on disk: a sentinel that is killed meanwhile goes on with it.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { AlertRule } from "../core/alert-rules.ts";
import { titleOf } from "../core/alert-troubles.ts";
import type { Alert } from "../core/alert.ts";
import { messageOf } from "../core/errors.ts";
import { isSevereEnough } from "./notice.ts";
import type { Sink } from "./notice.ts";
import type { OutageFile } from "./outage-file.ts";

const LOOK_EVERY_MS = 500;
/** A sentinel that has just been started is not connected yet: that is no outage. */
const MIN_DOWN_MS = 1_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export interface OutageTellerOptions {
  /** Why NATS is out of reach; undefined while it answers. */
  readonly outage: () => string | undefined;
  readonly rule: AlertRule;
  readonly sinks: readonly Sink[];
  readonly file: OutageFile;
  /** Puts alerts onto the stream, in order, once each. Rejects where that did not work. */
  readonly store: (alerts: readonly Alert[]) => Promise<void>;
  readonly log: Pick<Logger, "warn" | "debug">;
}

export class OutageTeller {
  readonly #options: OutageTellerOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #closing = new AbortController();
  /** Only the one that watched last tells: the others would tell the same. */
  #wasElected = false;
  #isOthersTurn: () => boolean = () => false;
  #downAt: number | undefined;
  #told: Alert | undefined;
  /** Names of the sinks that took it, and of those that are being told. */
  readonly #reached = new Set<string>();
  readonly #trying = new Set<string>();
  #isStoring = false;

  constructor(options: OutageTellerOptions) {
    this.#options = options;
    this.#takeOver();
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** @param isOthersTurn whether another one watches now. */
  follow(isOthersTurn: () => boolean): void {
    this.#isOthersTurn = isOthersTurn;
  }

  /** From now on it is ours to tell, until another one watches. */
  elected(): void {
    this.#wasElected = true;
    this.#keep();
  }

  /** An outage that was told and is not over stays on disk, for whoever is started next. */
  close(): void {
    clearInterval(this.#timer);
    this.#closing.abort();
    if (this.#told === undefined) this.#options.file.clear();
  }

  #takeOver(): void {
    const left = this.#options.file.takeOver();
    if (left === undefined) return;
    this.#wasElected = true;
    this.#downAt = left.downAt ?? undefined;
    this.#told = left.told ?? undefined;
    for (const name of left.reached) this.#reached.add(name);
    this.#keep();
  }

  #keep(): void {
    const { file } = this.#options;
    const told = this.#told ?? null;
    if (!this.#wasElected && told === null) file.clear();
    else file.write({ downAt: this.#downAt ?? null, told, reached: [...this.#reached] });
  }

  #look(): void {
    const why = this.#options.outage();
    if (why === undefined) return this.#sighted();
    if (!this.#wasElected) return;
    if (this.#downAt === undefined) {
      this.#downAt = Date.now();
      this.#keep();
    }
    const { rule } = this.#options;
    const waitMs = Math.max(MIN_DOWN_MS, rule.forSec * 1_000);
    if (this.#told === undefined) {
      if (!rule.enabled || Date.now() - this.#downAt < waitMs) return;
      this.#told = this.#alertOf(this.#downAt, why);
      // Before anybody is told: who is killed in between must not leave it open for ever.
      this.#keep();
    }
    this.#tell(this.#told);
  }

  /** Everybody who has not taken it yet, and is not being told. */
  #tell(alert: Alert): void {
    for (const sink of this.#options.sinks) {
      const { name, minSeverity } = sink;
      if (this.#reached.has(name) || this.#trying.has(name)) continue;
      if (isSevereEnough(alert.severity, minSeverity)) void this.#deliver(sink, alert);
    }
  }

  #sighted(): void {
    if (this.#told !== undefined) {
      if (!this.#isStoring) void this.#storeEnd(this.#told);
      return;
    }
    const wasDown = this.#downAt !== undefined;
    this.#downAt = undefined;
    const isOver = this.#wasElected && this.#isOthersTurn();
    if (isOver) this.#wasElected = false;
    if (wasDown || isOver) this.#keep();
  }

  /** Its beginning was told already, its end was not. Whoever watches now tells it. */
  async #storeEnd(told: Alert): Promise<void> {
    this.#isStoring = true;
    try {
      await this.#options.store([
        { ...told, notify: false },
        { ...told, action: "resolved", revision: 2, resolvedAt: Date.now() },
      ]);
      this.#told = undefined;
      this.#downAt = undefined;
      this.#reached.clear();
      this.#keep();
    } catch (error) {
      this.#options.log.debug(`the end of the outage is not stored yet: ${messageOf(error)}`);
    }
    this.#isStoring = false;
  }

  #alertOf(since: number, detail: string): Alert {
    return {
      id: `pipeline_down-${since.toString(36)}`,
      type: "pipeline_down",
      severity: this.#options.rule.severity,
      action: "raised",
      revision: 1,
      notify: true,
      group: "nats",
      title: titleOf("pipeline_down", [], []),
      openedAt: since,
      resolvedAt: null,
      members: [{ name: "nats", since, detail, silenced: false }],
      memberCount: 1,
    };
  }

  /** For as long as the outage lasts; after it there is the stream. */
  async #deliver(sink: Sink, alert: Alert): Promise<void> {
    const { signal } = this.#closing;
    const notice = { key: `${alert.id}-${alert.revision}`, alerts: [alert] };
    this.#trying.add(sink.name);
    let waitMs = RETRY_MIN_MS;
    while (!signal.aborted && this.#told === alert) {
      try {
        await sink.deliver(notice, signal);
        this.#reached.add(sink.name);
        this.#keep();
        break;
      } catch (error) {
        const why = messageOf(error);
        this.#options.log.warn({ sink: sink.name }, `it was not told of the outage: ${why}`);
      }
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
    }
    this.#trying.delete(sink.name);
  }
}
