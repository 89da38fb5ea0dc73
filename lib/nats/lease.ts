/**
 * Elects one of several processes: whoever holds the lease works, the others wait. The lease is a
 * key that expires on the server unless its holder renews it in time.
 */
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { AppError, messageOf } from "../core/errors.ts";
import { openJetStream } from "./jetstream.ts";
import { LeaseRecord, isOvertaken } from "./lease-record.ts";

/** The server counts a time to live in whole seconds. */
const MIN_TTL_MS = 1_000;
const MAX_REQUEST_MS = 1_000;
/** A holder renews so often within the time to live. */
const RENEWALS_PER_TTL = 3;
/** How often candidates look; a lease that is given back wakes them at once. */
const LOOKS_PER_TTL = 10;
const MIN_LOOK_MS = 100;
const MAX_LOOK_MS = 500;

export interface LeaseGrant {
  /** Aborted as soon as the lease is lost or given back. */
  readonly signal: AbortSignal;
  /** Fencing token: grows with every holder. */
  readonly token: number;
}

/** `expired`: not renewed in time; `taken`: another holder has it; `stopped`: we gave it back. */
export type LeaseLoss = "expired" | "taken" | "stopped";

export interface LeaseOptions {
  readonly nc: NatsConnection;
  /** A bucket whose keys can expire. */
  readonly bucket: string;
  readonly key: string;
  /** Shown to the others, e.g. `edge-1 pid 4711`. */
  readonly holder: string;
  /** At least 1 s; the server rounds up to whole seconds. */
  readonly ttlMs: number;
  readonly log: Pick<Logger, "info" | "warn" | "debug">;
  /** Starts the work; must not throw. */
  readonly onAcquired: (grant: LeaseGrant) => void;
  /** Ends the work; nothing is taken or given back before it is done. */
  readonly onLost: (why: LeaseLoss) => void | Promise<void>;
}

export interface Lease {
  /** On the monotonic clock: false once the time to live has passed since the last renewal. */
  isHeld(): boolean;
  /** Who held it when we last looked. */
  holder(): string | undefined;
  /** Ends the work, gives the lease back and stops taking part. */
  stop(): Promise<void>;
}

/**
 * Takes part in the election until stopped or the connection is closed.
 * @throws AppError `invalid` for a time to live under 1 s, `unavailable` without JetStream.
 */
export async function holdLease(options: LeaseOptions): Promise<Lease> {
  if (options.ttlMs < MIN_TTL_MS) {
    throw new AppError("invalid", `A lease of ${options.ttlMs} ms is too short: use ${MIN_TTL_MS}`);
  }
  const timeoutMs = Math.min(MAX_REQUEST_MS, options.ttlMs / RENEWALS_PER_TTL);
  const jsm = await openJetStream(options.nc);
  const direct = await openJetStream(options.nc, { timeoutMs });
  await jsm.streams.info(`KV_${options.bucket}`).catch((error: unknown) => {
    const why = messageOf(error);
    throw new AppError("unavailable", `Bucket ${options.bucket} can't be used: ${why}`);
  });
  const candidate = new Candidate(options, new LeaseRecord({ ...options, jsm: direct, timeoutMs }));
  candidate.start();
  return candidate;
}

class Candidate implements Lease {
  readonly #options: LeaseOptions;
  readonly #record: LeaseRecord;
  #heldUntil = Number.NEGATIVE_INFINITY;
  /** Sequence of our last write while we hold it. */
  #seq = 0;
  #work: AbortController | undefined;
  #ending: Promise<void> = Promise.resolve();
  #expiry: NodeJS.Timeout | undefined;
  #isStopped = false;
  #loop: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;
  #holder: string | undefined;
  #subscription: Subscription | undefined;

  constructor(options: LeaseOptions, record: LeaseRecord) {
    this.#options = options;
    this.#record = record;
  }

  isHeld(): boolean {
    return this.#work !== undefined && performance.now() < this.#heldUntil;
  }

  holder(): string | undefined {
    return this.#holder;
  }

  start(): void {
    this.#subscription = this.#options.nc.subscribe(this.#record.subject, {
      callback: (error, message) => {
        if (error === null && message.headers?.has("KV-Operation") === true) this.#wake();
      },
    });
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return await this.#loop;
    this.#isStopped = true;
    this.#wake();
    await this.#loop;
    await this.#lose("stopped");
    this.#subscription?.unsubscribe();
    if (!this.#options.nc.isClosed()) await this.#giveBack();
  }

  async #run(): Promise<void> {
    const { ttlMs, nc } = this.#options;
    const lookMs = Math.min(MAX_LOOK_MS, Math.max(MIN_LOOK_MS, ttlMs / LOOKS_PER_TTL));
    while (!this.#isStopped && !nc.isClosed()) {
      const hasAnswered = await this.#step();
      const isCalm = hasAnswered && this.#work !== undefined;
      await this.#pause(isCalm ? ttlMs / RENEWALS_PER_TTL : lookMs);
    }
    if (nc.isClosed()) await this.#lose("expired");
  }

  /** One look at the lease: renews it, takes it or leaves it; false when NATS did not answer. */
  async #step(): Promise<boolean> {
    try {
      await this.#ending;
      if (this.#work === undefined) await this.#tryToTake();
      else await this.#renew();
      return true;
    } catch (error) {
      this.#options.log.debug(
        { reason: messageOf(error) },
        `lease ${this.#options.key}: no answer`,
      );
      return false;
    }
  }

  async #tryToTake(): Promise<void> {
    const found = await this.#record.read();
    this.#holder = found.holder;
    // Ours without work: an earlier write that was stored although its answer was lost.
    if (found.holder !== undefined && !found.isOurs) return;
    const sentAt = performance.now();
    const seq = await this.#record.write(found.seq).catch(overtakenIsUndefined);
    // Stopped while the write was on its way: stop() gives it back.
    if (seq === undefined || this.#isStopped) return;
    this.#holder = this.#options.holder;
    this.#work = new AbortController();
    this.#held(seq, sentAt);
    this.#options.log.info({ token: seq }, `lease ${this.#options.key} acquired`);
    this.#options.onAcquired({ signal: this.#work.signal, token: seq });
  }

  async #renew(): Promise<void> {
    if (await this.#renewFrom(this.#seq)) return;
    const found = await this.#record.read();
    // Ours: a renewal that was stored although its answer was lost.
    if (found.isOurs && (await this.#renewFrom(found.seq))) return;
    this.#holder = found.isOurs ? undefined : found.holder;
    await this.#lose(this.#holder === undefined ? "expired" : "taken");
  }

  async #renewFrom(seq: number): Promise<boolean> {
    const sentAt = performance.now();
    const renewed = await this.#record.write(seq).catch(overtakenIsUndefined);
    if (renewed !== undefined) this.#held(renewed, sentAt);
    return renewed !== undefined;
  }

  /** The server counts from when it stored the write, which is later than when we sent it. */
  #held(seq: number, sentAt: number): void {
    if (this.#work === undefined) return;
    this.#seq = seq;
    this.#heldUntil = sentAt + this.#options.ttlMs;
    clearTimeout(this.#expiry);
    const leftMs = this.#heldUntil - performance.now();
    this.#expiry = setTimeout(() => void this.#lose("expired"), Math.max(0, leftMs));
  }

  async #lose(why: LeaseLoss): Promise<void> {
    const work = this.#work;
    if (work === undefined) return await this.#ending;
    this.#work = undefined;
    clearTimeout(this.#expiry);
    const { key, log } = this.#options;
    if (why === "stopped") log.info(`lease ${key} given back`);
    else log.warn({ why, holder: this.#holder }, `lease ${key} lost`);
    work.abort(why);
    this.#ending = this.#end(why);
    await this.#ending;
  }

  async #end(why: LeaseLoss): Promise<void> {
    try {
      await this.#options.onLost(why);
    } catch (error) {
      const reason = messageOf(error);
      this.#options.log.warn({ reason }, `lease ${this.#options.key}: ending the work failed`);
    }
  }

  /** A lease that can't be given back ends by itself. */
  async #giveBack(): Promise<void> {
    try {
      const found = await this.#record.read();
      if (found.isOurs) await this.#record.clear(found.seq);
    } catch (error) {
      this.#options.log.debug(
        { reason: messageOf(error) },
        `lease ${this.#options.key}: not cleared`,
      );
    }
  }

  async #pause(ms: number): Promise<void> {
    if (this.#isStopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function overtakenIsUndefined(error: unknown): undefined {
  if (isOvertaken(error)) return undefined;
  throw error;
}
