/**
 * One stream of a merge: reads ahead a bounded piece, and knows whether more is to come. A reader
 * that ends before the range does is opened again where it left off.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { addressOf, chosenSubjects, isChosen } from "../core/message-choice.ts";
import type { MessageAddress, MessageChoice } from "../core/message-choice.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { openPullReader } from "../nats/pull-reader.ts";
import type { PulledMessage, PullReader } from "../nats/pull-reader.ts";

/** Messages read ahead of the merge. */
const MAX_BUFFERED = 6_000;
/** And so many bytes of them; what was asked for already may come on top, about 8 MiB. */
const MAX_BUFFERED_BYTES = 16 * 1024 * 1024;
/** A reader that ends without having delivered anything is opened again so often in a row. */
const MAX_FRUITLESS_OPENS = 10;
const REOPEN_DELAY_MS = 500;
/** Silence for so long, while the server owes messages, may mean that they were removed. */
const OWED_CHECK_MS = 2_000;

/** A message of a merge, with its place. */
export interface MergedMessage {
  readonly key: StreamKey;
  /** The stream's name on the server. */
  readonly stream: string;
  readonly seq: number;
  /** When the stream stored it, epoch ms. */
  readonly time: number;
  readonly subject: string;
  /** Undefined where the message is about no single runner. */
  readonly runner: MessageAddress["runner"];
  /** `heartbeat`, `snapshot`, an event's or alert's type, the reason of a quarantine. */
  readonly type: string;
  readonly data: Uint8Array;
  /** Decoded when asked for. */
  readonly headers: MsgHdrs | undefined;
}

export interface FeedOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly key: StreamKey;
  readonly stream: string;
  readonly choice: MessageChoice;
  readonly fromSeq: number;
  /** The last sequence that counts; Infinity: goes on for ever. */
  readonly toSeq: number;
  /** Called whenever there may be something new to look at. */
  readonly onChange: () => void;
}

/** One message of the read-ahead. */
export interface Waiting {
  readonly message: MergedMessage;
  /** Never smaller than that of the message before: a server's clock may be set back. */
  readonly orderTime: number;
  /** `performance.now()` of its arrival. */
  readonly arrivedAt: number;
}

class FeedMessage implements MergedMessage {
  readonly key: StreamKey;
  readonly stream: string;
  readonly runner: MessageAddress["runner"];
  readonly type: string;
  readonly #pulled: PulledMessage;

  constructor(key: StreamKey, stream: string, address: MessageAddress, pulled: PulledMessage) {
    this.key = key;
    this.stream = stream;
    this.runner = address.runner;
    this.type = address.type;
    this.#pulled = pulled;
  }

  get seq(): number {
    return this.#pulled.seq;
  }

  get time(): number {
    return this.#pulled.timeMs;
  }

  get subject(): string {
    return this.#pulled.subject;
  }

  get data(): Uint8Array {
    return this.#pulled.data;
  }

  get headers(): MsgHdrs | undefined {
    return this.#pulled.headers;
  }
}

export class StreamFeed {
  /** Nothing more is to come of the range. */
  isDone = false;
  /** At the stream's end for now: what comes next is not stored yet, or on its way. */
  isQuiet = false;
  failure: unknown;
  readonly #options: FeedOptions;
  readonly #subjects: readonly string[] | undefined;
  #buffer: Waiting[] = [];
  #at = 0;
  #bytes = 0;
  #nextSeq: number;
  #orderTime = Number.NEGATIVE_INFINITY;
  #reader: PullReader | undefined;
  #lastHeardMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#nextSeq = options.fromSeq;
    this.#subjects = chosenSubjects(options.key, options.choice, options.prefixes);
  }

  /** Starts reading; failures show in `failure`. */
  start(): void {
    if (this.#subjects?.length === 0 || this.#options.toSeq < this.#options.fromSeq) {
      return this.#finish();
    }
    this.#timer = setInterval(() => void this.#checkOwed(), OWED_CHECK_MS);
    this.#timer.unref();
    void this.#readOn().catch((error: unknown) => {
      this.failure = error;
      this.#options.onChange();
    });
  }

  peek(): Waiting | undefined {
    return this.#buffer[this.#at];
  }

  take(): void {
    const taken = this.#buffer[this.#at];
    if (taken === undefined) return;
    this.#bytes -= taken.message.data.length;
    this.#at += 1;
    if (this.#at === this.#buffer.length) {
      this.#buffer = [];
      this.#at = 0;
    } else if (this.#at >= MAX_BUFFERED) {
      this.#buffer = this.#buffer.slice(this.#at);
      this.#at = 0;
    }
    this.#reader?.topUp();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#reader?.close();
  }

  get #room(): number {
    const waiting = this.#buffer.length - this.#at;
    return this.#bytes > MAX_BUFFERED_BYTES ? 0 : MAX_BUFFERED - waiting;
  }

  /** One reader after the other, until the range is read. */
  async #readOn(): Promise<void> {
    const { nc, jsm, stream } = this.#options;
    const { created } = await jsm.streams.info(stream);
    for (let fruitless = 0; !this.isDone && !this.#isClosed; fruitless++) {
      const before = this.#nextSeq;
      const reader = await openPullReader({
        nc,
        jsm,
        stream,
        start: { fromSeq: this.#nextSeq },
        ...(this.#subjects === undefined ? {} : { filterSubjects: this.#subjects }),
        room: () => this.#room,
        onMessage: (message) => this.#receive(message),
        onEnd: () => this.#reachEnd(),
      });
      this.#reader = reader;
      if (this.isDone || this.#isClosed) return await reader.close();
      const why = await reader.ended;
      this.isQuiet = false;
      if (this.isDone || this.#isClosed) return;
      if (this.#nextSeq > before) fruitless = 0;
      if (fruitless >= MAX_FRUITLESS_OPENS) {
        throw new AppError("unavailable", `Stream ${stream} can't be read on: ${why}`);
      }
      await delay(REOPEN_DELAY_MS);
      await this.#checkSame(created);
    }
  }

  /** Sequences of another stream of the same name mean other messages. */
  async #checkSame(created: string): Promise<void> {
    const { jsm, stream } = this.#options;
    // A server that is away is waited for by the next reader.
    const info = await jsm.streams.info(stream).catch(() => undefined);
    if (info === undefined || info.created === created) return;
    throw new AppError(
      "conflict",
      `Stream ${stream} was deleted and made again while it was read: start again`,
    );
  }

  #receive(pulled: PulledMessage): void {
    const { key, stream, prefixes, choice, toSeq } = this.#options;
    this.#lastHeardMs = performance.now();
    if (pulled.seq > toSeq) return this.#finish();
    this.#nextSeq = pulled.seq + 1;
    this.#orderTime = Math.max(this.#orderTime, pulled.timeMs);
    const address = addressOf(key, pulled.subject, prefixes);
    if (isChosen(choice, address)) {
      const message = new FeedMessage(key, stream, address, pulled);
      this.#bytes += pulled.data.length;
      const orderTime = this.#orderTime;
      this.#buffer.push({ message, orderTime, arrivedAt: this.#lastHeardMs });
    }
    this.isQuiet = pulled.pending === 0;
    if (pulled.seq === toSeq) this.#finish();
    else this.#options.onChange();
  }

  /** Everything that is stored now was delivered. */
  #reachEnd(): void {
    this.isQuiet = true;
    if (Number.isFinite(this.#options.toSeq)) this.#finish();
    else this.#options.onChange();
  }

  /** Messages that were promised and then removed by retention or a purge never come. */
  async #checkOwed(): Promise<void> {
    const { jsm, stream, toSeq } = this.#options;
    const isFull = this.#room < MAX_BUFFERED / 2;
    if (this.isDone || this.isQuiet || isFull || this.#reader === undefined) return;
    if (performance.now() - this.#lastHeardMs < OWED_CHECK_MS) return;
    const subjects = this.#subjects ?? [">"];
    const next = await Promise.all(
      subjects.map(
        async (subject) =>
          await jsm.direct
            .getMessage(stream, { seq: this.#nextSeq, next_by_subj: subject })
            .catch(() => null),
      ),
    ).catch(() => undefined);
    const isOwed = next?.some((message) => message !== null && message.seq <= toSeq) ?? true;
    if (!isOwed && performance.now() - this.#lastHeardMs >= OWED_CHECK_MS) this.#reachEnd();
  }

  #finish(): void {
    this.isDone = true;
    clearInterval(this.#timer);
    void this.#reader?.close();
    this.#options.onChange();
  }
}
