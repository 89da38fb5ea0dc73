/**
 * Puts messages that can't be folded into quarantine. It rides along with its source's reader; when
 * there are more bad messages than the stream takes, it falls behind alone and reads on by itself,
 * so that a flood of them holds up nothing else and costs no memory.
 */
import type { HeaderRecord } from "../core/quarantine.ts";
import type { Rejection } from "../core/heartbeat.ts";
import type { StreamMessage } from "../nats/ordered-reader.ts";
import { Outbox, laterOf } from "./emitter-outbox.ts";
import type { Mark, OutboxEntry } from "./emitter-outbox.ts";

/** Rough bytes that an entry takes beside payload and headers. */
const ENTRY_BYTES = 600;

/** A rejected message on its way to the stream. */
export interface RejectEntry extends OutboxEntry {
  readonly rejection: Rejection;
  readonly subject: string;
  readonly seq: number;
  readonly timeMs: number;
  readonly payload: Uint8Array;
  readonly headers: HeaderRecord | undefined;
}

/** What is in quarantine already. */
export interface KnownReject {
  /** Stream time of the message in its source, epoch ms. */
  readonly timeMs: number;
  /** Its sequence in quarantine. */
  readonly storedSeq: number;
}

export interface RejectLaneOptions {
  /** What is in quarantine already, after `from`, by sequence of the source. */
  readonly known: ReadonlyMap<number, KnownReject>;
  /** Everything up to here is in quarantine. */
  readonly from: Mark;
  /** Where the source's reader starts. */
  readonly sourceFrom: Mark;
  readonly judge: (message: StreamMessage) => Rejection | undefined;
  readonly send: (entry: RejectEntry) => void;
}

export class RejectLane {
  readonly outbox = new Outbox();
  readonly #options: RejectLaneOptions;
  /** Whether the source's reader hands over what is bad. */
  #rides: boolean;
  /** While it does not: how far this lane has read itself. */
  #own: Mark;

  constructor(options: RejectLaneOptions) {
    this.#options = options;
    this.#own = options.from;
    this.#rides = options.from.seq >= options.sourceFrom.seq;
  }

  /** It has to read by itself before it can ride along again. */
  get isBehind(): boolean {
    return !this.#rides;
  }

  /** The last message that it has read while it was behind. */
  get ownSeq(): number {
    return this.#own.seq;
  }

  /** The source's reader found a bad message. `before`: the message before it. */
  offer(message: StreamMessage, rejection: Rejection, before: Mark): void {
    if (!this.#rides || message.seq <= this.#options.from.seq) return;
    if (this.outbox.room === 0) {
      this.#rides = false;
      this.#own = laterOf(before, this.#options.from);
      return;
    }
    this.#add(message, rejection, before);
  }

  /**
   * Takes a message of its own reader.
   * @param sourceSeq the last message that the source's reader has dealt with.
   * @returns false when its own reader is to stop: it has caught up.
   */
  readBehind(message: StreamMessage, sourceSeq: number): boolean {
    if (this.#rides) return false;
    if (message.seq <= this.#own.seq) return true;
    if (message.seq > sourceSeq) {
      this.#rides = true;
      return false;
    }
    const rejection = this.#options.judge(message);
    if (rejection !== undefined) this.#add(message, rejection, this.#own);
    this.#own = { seq: message.seq, time: message.timeMs };
    return !this.meetSource(sourceSeq);
  }

  /** What is before the stream's first message can't be read any more. */
  skipBefore(firstSeq: number): void {
    if (firstSeq > this.#own.seq + 1) this.#own = { seq: firstSeq - 1, time: 0 };
  }

  /** Rides along again where it has read as far as the source's reader. */
  meetSource(sourceSeq: number): boolean {
    if (this.#own.seq >= sourceSeq) this.#rides = true;
    return this.#rides;
  }

  /** Everything up to here is in quarantine. `source`: where the source's reader stands. */
  through(source: Mark): Mark {
    const mark = this.outbox.storedThrough ?? (this.#rides ? source : this.#own);
    return laterOf(mark, this.#options.from);
  }

  stored(entry: RejectEntry, seq: number): void {
    this.outbox.settle(entry, seq);
  }

  #add(message: StreamMessage, rejection: Rejection, before: Mark): void {
    const known = this.#options.known.get(message.seq);
    if (known?.timeMs === message.timeMs) return this.outbox.pass(before, known.storedSeq);
    const entry: RejectEntry = {
      rejection,
      subject: message.subject,
      seq: message.seq,
      timeMs: message.timeMs,
      // The reader's bytes are only valid during the call.
      payload: Uint8Array.from(message.data),
      headers: message.headers === undefined ? undefined : Object.fromEntries(message.headers),
      before,
      bytes: message.data.length + ENTRY_BYTES,
      storedSeq: 0,
    };
    this.outbox.add(entry);
    this.#options.send(entry);
  }
}
