/**
 * The one watcher: elected by a lease, it looks at the whole fleet several times a second and
 * turns silence into events.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import type { Moment, ReadModels } from "../core/read-models.ts";
import type { Prefixes } from "../core/subject.ts";
import { holdLease } from "../nats/lease.ts";
import type { Lease } from "../nats/lease.ts";
import { StatusTeller } from "./status-teller.ts";

const LEASE_KEY = "sentinel";
/** How long nobody watches after a sentinel was killed. */
const LEASE_TTL_MS = 3_000;
const LOOK_EVERY_MS = 200;
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
  readonly models: Pick<ReadModels, "watch">;
  /**
   * The moment to judge by: not later than what is certainly folded, or silence that was ours
   * would be taken for a runner's.
   */
  readonly moment: () => Moment;
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
  }

  isElected(): boolean {
    return this.#lease?.isHeld() ?? false;
  }

  async stop(): Promise<void> {
    await this.#lease?.stop();
  }

  async #watchUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.warn(`watching begins again: ${messageOf(error)}`);
        await pause(RETRY_MS, signal);
      }
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { nc } = this.#options;
    const jsm = await jetstreamManager(nc, { checkAPI: false });
    const teller = await StatusTeller.open({ ...this.#options, jsm, onTold: () => undefined });
    try {
      while (!signal.aborted) {
        // Between the end of the lease and its signal the monotonic clock knows better.
        if (this.isElected()) this.#look(teller);
        await pause(LOOK_EVERY_MS, signal);
      }
    } finally {
      teller.close();
    }
  }

  #look(teller: StatusTeller): void {
    const moment = this.#options.moment();
    if (moment.view.blindSince !== null) return;
    try {
      this.#options.models.watch(moment, (facts, status) => teller.look(facts, status, moment));
    } catch (error) {
      this.#options.log.debug(`the fleet can't be read: ${messageOf(error)}`);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
