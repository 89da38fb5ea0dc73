/**
 * Tells of an outage of NATS itself. While it lasts nothing can be stored, so whoever watched last
 * tells the sinks at once; when NATS is back, the alert and its end go onto the stream.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import type { AlertRule } from "../core/alert-rules.ts";
import { titleOf } from "../core/alert-troubles.ts";
import type { Alert } from "../core/alert.ts";
import { messageOf } from "../core/errors.ts";
import { isSevereEnough } from "./notice.ts";
import type { Sink } from "./notice.ts";

const LOOK_EVERY_MS = 500;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;

export interface OutageTellerOptions {
  /** Why NATS is out of reach; undefined while it answers. */
  readonly outage: () => string | undefined;
  readonly rule: AlertRule;
  readonly sinks: readonly Sink[];
  readonly log: Pick<Logger, "warn">;
}

export class OutageTeller {
  readonly #options: OutageTellerOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #closing = new AbortController();
  /** Only the one that watched last tells: the others would tell the same. */
  #wasElected = false;
  #downAt: number | undefined;
  #told: Alert | undefined;

  constructor(options: OutageTellerOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** From now on it is ours to tell. */
  elected(): void {
    this.#wasElected = true;
  }

  /** The outage that is over, to be stored: its beginning was told already, its end was not. */
  take(now: number): readonly Alert[] {
    const told = this.#told;
    if (told === undefined || this.#downAt !== undefined) return [];
    this.#told = undefined;
    return [
      { ...told, notify: false },
      { ...told, action: "resolved", revision: 2, resolvedAt: now },
    ];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#closing.abort();
  }

  #look(): void {
    const { outage, rule } = this.#options;
    const why = outage();
    if (why === undefined) {
      this.#downAt = undefined;
      return;
    }
    this.#downAt ??= Date.now();
    const isTold = this.#told !== undefined || !this.#wasElected || !rule.enabled;
    if (isTold || Date.now() - this.#downAt < rule.forSec * 1_000) return;
    this.#told = this.#alertOf(this.#downAt, why);
    const { sinks } = this.#options;
    const fitting = sinks.filter((sink) => isSevereEnough(rule.severity, sink.minSeverity));
    for (const sink of fitting) void this.#deliver(sink, this.#told);
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
    for (let waitMs = RETRY_MIN_MS; !signal.aborted; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      try {
        await sink.deliver(notice, signal);
        return;
      } catch (error) {
        this.#options.log.warn(
          { sink: sink.name },
          `it was not told of the outage: ${messageOf(error)}`,
        );
      }
      if (this.#told !== alert) return;
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
