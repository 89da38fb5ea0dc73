/** Says of the sentinel's own work what its metrics are made of. */
import { jetstream } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import {
  SENTINEL_REPORT_EVERY_MS,
  SENTINEL_REPORT_LIFE_SEC,
  sentinelReportPlace,
} from "../core/sentinel-report.ts";
import type { SentinelReport } from "../core/sentinel-report.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { consumerName } from "./delivery.ts";
import type { SinkMemory } from "./delivery.ts";

const TIMEOUT_MS = 2_000;

export interface OwnReportOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly sinks: ReadonlyMap<string, SinkMemory>;
  /** Alerts that wait to be stored. */
  readonly waiting: () => number;
}

export class OwnReport {
  readonly #options: OwnReportOptions;
  #looks = 0;
  #lastLookAt = 0;
  #lastLookMs = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  #isTelling = false;

  constructor(options: OwnReportOptions) {
    this.#options = options;
  }

  /** A look is over; `startedAt` of the monotonic clock. Tells of itself now and then. */
  looked(startedAt: number): void {
    const now = performance.now();
    this.#looks += 1;
    this.#lastLookAt = Date.now();
    this.#lastLookMs = now - startedAt;
    if (this.#isTelling || now - this.#toldAt < SENTINEL_REPORT_EVERY_MS) return;
    this.#toldAt = now;
    void this.#tell();
  }

  /** Never rejects: metrics are no reason to stop watching. */
  async #tell(): Promise<void> {
    this.#isTelling = true;
    const { nc, prefixes, waiting } = this.#options;
    try {
      const report: SentinelReport = {
        looks: this.#looks,
        last_look_at: this.#lastLookAt,
        last_look_ms: this.#lastLookMs,
        waiting: waiting(),
        sinks: await this.#sinks(),
      };
      const text = JSON.stringify(report);
      const js = jetstream(nc, { timeout: TIMEOUT_MS });
      await js.publish(sentinelReportPlace(prefixes).subject, text, {
        ttl: `${SENTINEL_REPORT_LIFE_SEC}s`,
      });
    } catch {
      // What is missing shows that nobody watches, or that nobody can tell.
    }
    this.#isTelling = false;
  }

  async #sinks(): Promise<SentinelReport["sinks"]> {
    const { jsm, prefixes, sinks } = this.#options;
    const stream = streamName(prefixes, "alerts");
    return await Promise.all(
      [...sinks].map(async ([name, { delivered, failed }]) => {
        const info = await jsm.consumers.info(stream, consumerName(name)).catch(() => undefined);
        const pending = info === undefined ? null : info.num_pending + info.num_ack_pending;
        return { name, delivered, failed, pending };
      }),
    );
  }
}
