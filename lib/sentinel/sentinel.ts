/**
 * The one watcher: elected by a lease, it looks at the whole fleet several times a second, turns
 * silence into events and trouble into alerts.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import type { Trouble } from "../core/alert-troubles.ts";
import { messageOf } from "../core/errors.ts";
import type { Moment } from "../core/read-models.ts";
import type { Prefixes } from "../core/subject.ts";
import { holdLease } from "../nats/lease.ts";
import type { Lease } from "../nats/lease.ts";
import { AlertDesk } from "./alert-desk.ts";
import type { AlertModelsUsed, AlertSettings } from "./alert-desk.ts";
import { AlertStream } from "./alert-stream.ts";
import { deliverUntil, newSinkMemory, openConsumer } from "./delivery.ts";
import type { SinkMemory } from "./delivery.ts";
import type { Sink } from "./notice.ts";
import type { OutageTeller } from "./outage-teller.ts";
import { OwnReport } from "./own-report.ts";
import { RetiringDesk } from "./retiring-desk.ts";
import { StatusTeller } from "./status-teller.ts";

const LEASE_KEY = "sentinel";
/** How long nobody watches after a sentinel was killed. */
const LEASE_TTL_MS = 3_000;
const LOOK_EVERY_MS = 200;
/** Alerts are told of less eagerly than statuses. */
const LOOKS_PER_ALERT_LOOK = 5;
const RETRY_MS = 1_000;

export interface SentinelOptions {
  readonly nc: NatsConnection;
  readonly prefixes: Prefixes;
  /** With the lease. */
  readonly bucket: string;
  /** Shown to the others, e.g. `edge-1 pid 4711`. */
  readonly holder: string;
  /** Which component on which host, e.g. `sentinel@edge-1`. */
  readonly by: string;
  readonly models: AlertModelsUsed;
  /**
   * The moment to judge by: not later than what is certainly folded, or silence that was ours
   * would be taken for a runner's.
   */
  readonly moment: () => Moment;
  /** Told when we watch; it is its opener's to close. */
  readonly outages: Pick<OutageTeller, "elected" | "follow">;
  readonly alerts: AlertSettings;
  /** Runners that nobody declared are retired after so long offline; 0: never. */
  readonly retireAfterSec: number;
  /** What is wrong with Runbeat itself, apart from an outage. */
  readonly ownTroubles: () => readonly Trouble[];
  readonly sinks: readonly Sink[];
  readonly log: Pick<Logger, "info" | "warn" | "debug" | "error">;
  readonly leaseTtlMs?: number;
}

export interface Sentinel {
  /** Whether it is the one that watches. */
  isElected(): boolean;
  stop(): Promise<void>;
}

/** Takes part in the election, and watches while elected. @throws AppError `unavailable`. */
export async function startSentinel(options: SentinelOptions): Promise<Sentinel> {
  const run = new SentinelRun(options);
  await run.start();
  return run;
}

class SentinelRun implements Sentinel {
  readonly #options: SentinelOptions;
  readonly #sinkMemories = new Map<string, SinkMemory>();
  #lease: Lease | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(options: SentinelOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { nc, bucket, holder, log, leaseTtlMs } = this.#options;
    this.#lease = await holdLease({
      nc,
      bucket,
      key: LEASE_KEY,
      holder,
      ttlMs: leaseTtlMs ?? LEASE_TTL_MS,
      log,
      onAcquired: ({ signal }) => {
        this.#work = this.#watchUntil(signal);
      },
      onLost: async () => await this.#work,
    });
    this.#options.outages.follow(() => this.#isOthersTurn());
  }

  isElected(): boolean {
    return this.#lease?.isHeld() ?? false;
  }

  async stop(): Promise<void> {
    await this.#lease?.stop();
  }

  #isOthersTurn(): boolean {
    const holder = this.#lease?.holder();
    return holder !== undefined && holder !== this.#options.holder && !this.isElected();
  }

  async #watchUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // What one round has begun ends with it, whyever it ends.
      const round = new AbortController();
      const ending = AbortSignal.any([signal, round.signal]);
      try {
        await this.#watch(ending);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.warn(`watching begins again: ${messageOf(error)}`);
        await pause(RETRY_MS, signal);
      } finally {
        round.abort();
      }
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { nc, sinks, alerts: settings, moment } = this.#options;
    const jsm = await jetstreamManager(nc, { checkAPI: false });
    const context = { ...this.#options, jsm };
    const stream = new AlertStream(context);
    for (const sink of sinks) await openConsumer({ ...context, sink });
    const desk = await AlertDesk.open({ ...context, stream, settings }, moment().now);
    const teller = await StatusTeller.open({
      ...context,
      onTold: (runner, from, to, at) => desk.changed(runner, from, to, at),
    });
    const retiring = new RetiringDesk(context);
    for (const sink of sinks) {
      void deliverUntil({ ...context, sink, memory: this.#memoryOf(sink) }, signal);
    }
    this.#options.outages.elected();
    const waiting = (): number => desk.waiting;
    const report = new OwnReport({ ...context, sinks: this.#sinkMemories, waiting });
    try {
      for (let look = 0; !signal.aborted; look++) {
        const startedAt = performance.now();
        // Between the end of the lease and its signal the monotonic clock knows better.
        if (this.isElected())
          this.#look(teller, look % LOOKS_PER_ALERT_LOOK === 0 ? desk : undefined);
        if (this.isElected() && look % LOOKS_PER_ALERT_LOOK === 1) retiring.look(moment());
        if (this.isElected()) report.looked(startedAt);
        await pause(LOOK_EVERY_MS, signal);
      }
    } finally {
      teller.close();
      desk.close();
    }
  }

  #memoryOf({ name }: Sink): SinkMemory {
    const memory = this.#sinkMemories.get(name) ?? newSinkMemory();
    this.#sinkMemories.set(name, memory);
    return memory;
  }

  #look(teller: StatusTeller, desk: AlertDesk | undefined): void {
    const moment = this.#options.moment();
    if (moment.view.blindSince === null) {
      this.#readable(() =>
        this.#options.models.watch(moment, (facts, status) => teller.look(facts, status, moment)),
      );
    }
    this.#readable(() => desk?.look(moment));
    desk?.check();
  }

  /** No database, or one that is being made anew, is looked at again a little later. */
  #readable(work: () => unknown): void {
    try {
      work();
    } catch (error) {
      this.#options.log.debug(`the fleet can't be read: ${messageOf(error)}`);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
