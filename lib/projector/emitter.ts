/**
 * The emitter: judges every heartbeat and event once. What can't be folded goes to the QUARANTINE
 * stream, and of each runner one heartbeat a window to SNAPSHOTS. One emitter works at a time; all
 * that it has to remember is in NATS, so any other can go on where it ends, at any instant.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import type { Prefixes } from "../core/subject.ts";
import { holdLease } from "../nats/lease.ts";
import type { Lease, LeaseLoss } from "../nats/lease.ts";
import { openSession } from "./emitter-session.ts";
import type { EmitterSession, SourceReport } from "./emitter-session.ts";

const LEASE_KEY = "emitter.lease";
/** After a crash another emitter takes over when this has passed. */
const LEASE_TTL_MS = 4_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;
/** A session that has lasted this long was no failure. */
const GOOD_SESSION_MS = 10_000;

export interface EmitterOptions {
  /** For publishing and for the lease. */
  readonly nc: NatsConnection;
  /**
   * For reading, `nc` unless given. On a connection that a backlog comes in on, answers wait behind
   * it, and a lease is not renewed in time.
   */
  readonly readingNc?: NatsConnection;
  readonly prefixes: Prefixes;
  /** The bucket for leases and positions; its keys can expire. */
  readonly bucket: string;
  /** Names this process to others, e.g. `edge-1 pid 4711`. */
  readonly holder: string;
  /** At most one snapshot of a runner in so many seconds; 0 keeps none at all. */
  readonly everySec: number;
  readonly log: Pick<Logger, "debug" | "info" | "warn">;
  /** How long a vanished emitter blocks the next one; 4 s unless given. */
  readonly leaseTtlMs?: number;
}

export interface EmitterReport {
  /** `standby`: another process is the emitter; `waiting`: for another try after `trouble`. */
  readonly state: "standby" | "starting" | "judging" | "waiting" | "stopped";
  /** The emitter that is at work, as far as is known. */
  readonly holder: string | undefined;
  /** What went wrong last, for people. */
  readonly trouble: string | undefined;
  /** Empty while it does not judge. */
  readonly sources: readonly SourceReport[];
}

export interface Emitter {
  describe(): EmitterReport;
  /** Ends the work in an orderly way and lets the next one take over at once. */
  stop(): Promise<void>;
}

/**
 * Takes part in the election, and judges while elected.
 * @throws AppError `unavailable` without JetStream or the bucket.
 */
export async function startEmitter(options: EmitterOptions): Promise<Emitter> {
  const jsm = await jetstreamManager(options.nc, { checkAPI: false });
  const run = new EmitterRun(options, jsm);
  await run.start();
  return run;
}

class EmitterRun implements Emitter {
  readonly #options: EmitterOptions;
  readonly #jsm: JetStreamManager;
  #lease: Lease | undefined;
  #state: EmitterReport["state"] = "standby";
  #trouble: string | undefined;
  #session: EmitterSession | undefined;
  #work: Promise<void> = Promise.resolve();
  #loss: LeaseLoss | undefined;
  #wake: () => void = () => undefined;
  #failures = 0;
  #isConnected = true;
  #abortOpening: (error: Error) => void = () => undefined;

  constructor(options: EmitterOptions, jsm: JetStreamManager) {
    this.#options = options;
    this.#jsm = jsm;
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
        this.#loss = undefined;
        this.#work = this.#judgeUntil(signal);
      },
      onLost: async (why) => {
        this.#loss = why;
        // Before anything else: what is published from now on could be published twice.
        if (why !== "stopped") this.#interrupt(`the lease is ${why}`);
        this.#abortOpening(new Error("it was stopped"));
        this.#wake();
        await this.#work;
      },
    });
    void this.#watchConnection();
  }

  async stop(): Promise<void> {
    await this.#lease?.stop();
    this.#state = "stopped";
  }

  describe(): EmitterReport {
    return {
      state: this.#state,
      holder: this.#lease?.holder(),
      trouble: this.#trouble,
      sources: this.#session?.report() ?? [],
    };
  }

  /** What is sent while there is no connection is sent when it is back, however late: send nothing. */
  async #watchConnection(): Promise<void> {
    for await (const status of this.#options.nc.status()) {
      if (status.type === "disconnect") {
        this.#isConnected = false;
        this.#interrupt("the connection to NATS was lost");
      } else if (status.type === "reconnect") {
        this.#isConnected = true;
        this.#failures = 0;
        this.#wake();
      }
    }
  }

  /** Ends whatever session there is, also one that is still being opened. */
  #interrupt(why: string): void {
    this.#session?.fail(why);
    this.#abortOpening(new Error(why));
  }

  async #judgeUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = performance.now();
      const why = await this.#judge(signal).catch(messageOf);
      if (signal.aborted) break;
      if (performance.now() - startedAt > GOOD_SESSION_MS) this.#failures = 0;
      await this.#pause(why);
    }
    this.#state = "standby";
  }

  /** One session's life. Returns why it ended. */
  async #judge(signal: AbortSignal): Promise<string> {
    this.#state = "starting";
    const session = await this.#open();
    this.#session = session;
    this.#state = "judging";
    this.#trouble = undefined;
    const stopped = new Promise<string>((resolve) => {
      this.#wake = () => resolve("it was stopped");
      if (signal.aborted) this.#wake();
    });
    const why = await Promise.race([session.ended, stopped]);
    await session.close(this.#loss === "stopped" ? "settle" : "abandon");
    this.#session = undefined;
    return why;
  }

  async #open(): Promise<EmitterSession> {
    const aborted = new Promise<never>((_resolve, reject) => {
      this.#abortOpening = reject;
    });
    const opening = openSession({
      ...this.#options,
      jsm: this.#jsm,
      // In an orderly stop the lease is given back only after this session has ended.
      isAllowed: () => this.#lease?.isHeld() === true || this.#loss === "stopped",
    });
    try {
      return await Promise.race([opening, aborted]);
    } catch (error) {
      // Requests that a lost connection has swallowed are not waited for.
      void opening.then((late) => late.close("abandon")).catch(() => undefined);
      throw error;
    } finally {
      this.#abortOpening = () => undefined;
    }
  }

  async #pause(why: string): Promise<void> {
    this.#state = "waiting";
    this.#trouble = why;
    const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#options.log.warn({ why, waitMs }, `judging was interrupted: ${why}`);
    await new Promise<void>((resolve) => {
      // Without a connection there is nothing to try: its return or the end wakes us.
      const timer = this.#isConnected ? setTimeout(resolve, waitMs) : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
