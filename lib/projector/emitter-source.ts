/** Judges one stream, message by message in order: what is kept, what is bad, how far it is done. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { decodeHeartbeat } from "../core/decode-heartbeat.ts";
import { HEARTBEAT_FORM, badSubject, judgeOf } from "../core/judge-message.ts";
import type { Judge, SourceKey } from "../core/judge-message.ts";
import { readHeartbeat } from "../core/read-heartbeat.ts";
import { runnerOfTokens, subjectPrefix } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import type { StreamMessage } from "../nats/ordered-reader.ts";
import type { SourceIdentity } from "./emitter-messages.ts";
import type { Mark } from "./emitter-outbox.ts";
import { PausingReader } from "./emitter-reader.ts";
import type { RejectLane } from "./emitter-rejects.ts";
import { SampledRunner } from "./emitter-snapshots.ts";
import type { SnapshotLane } from "./emitter-snapshots.ts";

/** Nothing follows from most messages of a stream without snapshots. */
const MAX_ROOM = 4_000;

export interface EmitterSourceOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly log: Pick<Logger, "warn">;
  readonly key: SourceKey;
  readonly identity: SourceIdentity;
  readonly prefixes: Prefixes;
  readonly from: Mark;
  readonly rejects: RejectLane;
  /** Only heartbeats have snapshots. */
  readonly snapshots: SnapshotLane | undefined;
  readonly onFailure: (why: string) => void;
}

export class EmitterSource {
  readonly #options: EmitterSourceOptions;
  readonly #prefix: string;
  readonly #judge: Judge;
  readonly #reader: PausingReader;
  /** Reads only for the quarantine, while that is behind. */
  readonly #rejectReader: PausingReader;
  #seq: number;
  #time: number;
  #pending = 0;
  /** How many ask to judge nothing for now. */
  #holds = 0;

  constructor(options: EmitterSourceOptions) {
    this.#options = options;
    const { nc, jsm, identity, onFailure, rejects } = options;
    this.#prefix = subjectPrefix(options.prefixes, options.key);
    this.#judge = judgeOf(options.key, options.prefixes);
    this.#seq = options.from.seq;
    this.#time = options.from.time;
    const shared = { nc, jsm, stream: identity.name, onFailure };
    this.#reader = new PausingReader({
      ...shared,
      fromSeq: () => this.#seq + 1,
      room: () => options.snapshots?.outbox.room ?? MAX_ROOM,
      take: (message) => this.#take(message),
    });
    this.#rejectReader = new PausingReader({
      ...shared,
      fromSeq: () => rejects.ownSeq + 1,
      room: () => rejects.outbox.room,
      take: (message) => rejects.readBehind(message, this.#seq),
    });
  }

  /** The last message that was judged. */
  get mark(): Mark {
    return { seq: this.#seq, time: this.#time };
  }

  /** Messages that wait to be judged. */
  get pending(): number {
    return this.#pending;
  }

  /** Every snapshot up to here is stored. */
  get judged(): Mark {
    const { snapshots, rejects } = this.#options;
    // Without snapshots there is nothing to judge but what is bad.
    if (snapshots === undefined) return rejects.through(this.mark);
    return snapshots.outbox.storedThrough ?? this.mark;
  }

  /** Every bad message up to here is in quarantine. */
  get rejected(): Mark {
    return this.#options.rejects.through(this.mark);
  }

  /** Reads where there is room for what follows from it; called when there may be more. */
  steer(): void {
    if (this.#holds === 0) this.#reader.resume();
    if (this.#options.rejects.isBehind) this.#rejectReader.resume();
  }

  /** Judges nothing more until as many calls of `release`. */
  hold(): void {
    this.#holds += 1;
    this.#reader.pause();
  }

  release(): void {
    this.#holds -= 1;
    this.steer();
  }

  /** What is before `firstSeq` is gone: the quarantine need not wait for it. */
  skipBefore(firstSeq: number): void {
    this.#options.rejects.skipBefore(firstSeq);
    this.#options.rejects.meetSource(this.#seq);
  }

  async close(): Promise<void> {
    await Promise.all([this.#reader.close(), this.#rejectReader.close()]);
  }

  #take(message: StreamMessage): boolean {
    if (message.seq > this.#seq + 1 && this.#time !== 0) this.#tellGap(message.seq);
    const { snapshots } = this.#options;
    if (snapshots === undefined) this.#takeOther(message);
    else this.#takeHeartbeat(snapshots, message);
    this.#seq = message.seq;
    this.#time = message.timeMs;
    this.#pending = message.pending;
    return true;
  }

  #takeHeartbeat(snapshots: SnapshotLane, message: StreamMessage): void {
    const { subject } = message;
    const runner = snapshots.runners.get(subject) ?? this.#newcomer(subject);
    if (runner === undefined) {
      return this.#reject(message, badSubject(subject, this.#prefix, HEARTBEAT_FORM));
    }
    const heartbeat = readHeartbeat(runner.id, message.data, runner.host);
    if (heartbeat === undefined) return this.#rejectHeartbeat(runner, message);
    if (runner.host !== heartbeat.host) runner.host = heartbeat.host;
    snapshots.take(subject, runner, heartbeat, message, this.#before);
  }

  /** Read once more for the reason: bad ones are few. */
  #rejectHeartbeat({ id }: SampledRunner, message: StreamMessage): void {
    const decoded = decodeHeartbeat(id, message.data);
    if (!decoded.ok) this.#reject(message, decoded.rejection);
  }

  #newcomer(subject: string): SampledRunner | undefined {
    const id = runnerOfTokens(subject.slice(this.#prefix.length));
    return id === undefined ? undefined : new SampledRunner(id);
  }

  #takeOther(message: StreamMessage): void {
    const rejection = this.#judge(message);
    if (rejection !== undefined) this.#reject(message, rejection);
  }

  #reject(message: StreamMessage, rejection: ReturnType<Judge> & object): void {
    this.#options.rejects.offer(message, rejection, this.mark);
  }

  readonly #before = (): Mark => this.mark;

  #tellGap(seq: number): void {
    const { log, identity } = this.#options;
    log.warn(
      { stream: identity.name },
      `messages ${this.#seq + 1} to ${seq - 1} of stream ${identity.name} were removed before they were judged`,
    );
  }
}
