/**
 * Several streams as one, in the order of their times: of two messages of the same time the one of
 * the stream that is named first, then the lower sequence. Bounded: each stream is read ahead by a
 * few thousand messages at most, and nothing is read while its reader does not ask for more.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { EVERY_MESSAGE } from "../core/message-choice.ts";
import type { MessageChoice } from "../core/message-choice.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { sequenceAt } from "../nats/stream-times.ts";
import { StreamFeed } from "./stream-feed.ts";
import type { MergedMessage, Waiting } from "./stream-feed.ts";

/**
 * While following, a message is held back for so long: one of another stream that was stored
 * before it may still be on its way.
 */
const SETTLE_MS = 60;

/** Sequences of one stream, both included; undefined: as the times say. */
export interface SequenceRange {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export interface MergedReaderOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly streams: readonly StreamKey[];
  /** Epoch ms, included; undefined: from the beginning. */
  readonly from?: number | undefined;
  /** Epoch ms, included; undefined: up to what is stored now. */
  readonly to?: number | undefined;
  /** Sequences instead of times, by stream. */
  readonly sequences?: Readonly<Partial<Record<StreamKey, SequenceRange>>> | undefined;
  /** Which messages; all of them unless given. */
  readonly choice?: MessageChoice | undefined;
  /** Goes on with what comes; `to` then has no meaning. */
  readonly follow?: boolean | undefined;
  /** Called once, when everything that was stored has been handed over. */
  readonly onCaughtUp?: (() => void) | undefined;
  /** Ends the reading. */
  readonly signal?: AbortSignal | undefined;
}

/** Where in one stream a range lies. */
export interface StreamRange {
  readonly key: StreamKey;
  readonly stream: string;
  /** First and last sequence, both included; empty where `from` is greater. */
  readonly from: number;
  readonly to: number;
  /** Time of the oldest message that the stream still holds, epoch ms; undefined for none. */
  readonly firstTime: number | undefined;
}

/**
 * Reads the streams, merged. Breaking out of the loop closes everything.
 * @throws AppError `not_found` where a stream is missing, `unavailable` when the server is away.
 */
export async function* mergedReader(options: MergedReaderOptions): AsyncGenerator<MergedMessage> {
  const ranges = await streamRanges(options);
  const merge = new Merge(options, ranges);
  try {
    merge.start();
    for (;;) {
      const next = merge.next();
      if (next !== undefined) yield next;
      else if (await merge.isOver()) return;
    }
  } finally {
    await merge.close();
  }
}

/** Finds out which sequences of each stream a range of times is. */
export async function streamRanges(
  options: Pick<
    MergedReaderOptions,
    "jsm" | "prefixes" | "streams" | "from" | "to" | "sequences" | "follow"
  >,
): Promise<StreamRange[]> {
  return await Promise.all(
    options.streams.map(
      async (key) => await rangeOf(key, streamName(options.prefixes, key), options),
    ),
  );
}

async function rangeOf(
  key: StreamKey,
  stream: string,
  { jsm, from, to, sequences, follow }: Parameters<typeof streamRanges>[0],
): Promise<StreamRange> {
  const given = sequences?.[key] ?? {};
  const first =
    given.from ?? (from === undefined ? 1 : (await sequenceAt(jsm, stream, from - 1)).seq + 1);
  const end = await sequenceAt(jsm, stream, to ?? Number.MAX_SAFE_INTEGER);
  const last = given.to ?? (to === undefined ? end.lastSeq : end.seq);
  return {
    key,
    stream,
    from: first,
    to: follow === true ? Infinity : last,
    firstTime: end.lastSeq >= end.firstSeq ? end.firstTime : undefined,
  };
}

class Merge {
  readonly #feeds: readonly StreamFeed[];
  readonly #options: MergedReaderOptions;
  #wake: () => void = () => undefined;
  #isCaughtUp = false;

  constructor(options: MergedReaderOptions, ranges: readonly StreamRange[]) {
    const { nc, jsm, prefixes, choice = EVERY_MESSAGE } = options;
    this.#options = options;
    this.#feeds = ranges.map(
      ({ key, stream, from, to }) =>
        new StreamFeed({
          nc,
          jsm,
          prefixes,
          key,
          stream,
          choice,
          fromSeq: from,
          toSeq: to,
          onChange: () => this.#wake(),
        }),
    );
  }

  start(): void {
    for (const feed of this.#feeds) feed.start();
  }

  /** The next message, if it is certain which one that is. */
  next(): MergedMessage | undefined {
    if (this.#options.signal?.aborted === true) return undefined;
    let first: Waiting | undefined;
    let of: StreamFeed | undefined;
    let mustSettle = false;
    for (const feed of this.#feeds) {
      const waiting = feed.peek();
      if (waiting === undefined) {
        if (feed.isDone) continue;
        if (!feed.isQuiet) return undefined;
        mustSettle = true;
      } else if (first === undefined || waiting.orderTime < first.orderTime) {
        first = waiting;
        of = feed;
      }
    }
    if (first === undefined || of === undefined) return undefined;
    if (mustSettle && performance.now() - first.arrivedAt < SETTLE_MS) return undefined;
    of.take();
    return first.message;
  }

  /** Waits for what is to come; true where nothing is. */
  async isOver(): Promise<boolean> {
    for (const { failure } of this.#feeds) if (failure !== undefined) throw failure;
    if (this.#options.signal?.aborted === true) return true;
    const isEmpty = this.#feeds.every((feed) => feed.peek() === undefined);
    if (isEmpty && this.#feeds.every(({ isDone, isQuiet }) => isDone || isQuiet))
      this.#sayCaughtUp();
    if (isEmpty && this.#feeds.every(({ isDone }) => isDone)) return true;
    await this.#change(isEmpty ? undefined : SETTLE_MS);
    return false;
  }

  #sayCaughtUp(): void {
    if (this.#isCaughtUp) return;
    this.#isCaughtUp = true;
    this.#options.onCaughtUp?.();
  }

  /** Something has come, ended or failed, or the time is over. */
  async #change(withinMs: number | undefined): Promise<void> {
    const { signal } = this.#options;
    if (signal?.aborted === true) return;
    await new Promise<void>((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(resolve, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      signal?.addEventListener("abort", this.#wake, { once: true });
    });
    signal?.removeEventListener("abort", this.#wake);
    this.#wake = () => undefined;
  }

  async close(): Promise<void> {
    await Promise.all(this.#feeds.map(async (feed) => await feed.close()));
  }
}
