/** Folds a stretch of a stream, with the very folds that make the live tables. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { openPullReader } from "../nats/pull-reader.ts";
import type { PullReader } from "../nats/pull-reader.ts";
import { openReader } from "../nats/ordered-reader.ts";
import type { Reader } from "../nats/ordered-reader.ts";
import type { Decoder } from "../projector/decode.ts";
import type { Fold } from "../projector/fold.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { FoldedStream } from "../../projections/projection.ts";

/** Messages folded in memory between two writes. */
const BATCH_MESSAGES = 100_000;
/** A stretch that is asked for message by message; longer ones come in as fast as they can. */
const SHORT_MESSAGES = 150_000;
/** What a pull reader takes for room at all. */
const MIN_ROOM = 1_000;
/** Readers that end too early, one after the other without a message, before it is given up. */
const MAX_ATTEMPTS = 5;

export interface FoldRange {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly db: SqliteDatabase;
  readonly streamName: string;
  readonly decode: Decoder<FoldedStream>;
  /** All at one position, after which it begins; their checkpoints are in the database. */
  readonly folds: readonly Fold[];
  /** The last sequence that is folded. */
  readonly to: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (seq: number) => void;
}

/**
 * Folds and writes. What the stream no longer holds in between is passed over.
 * @throws AppError `unavailable` where the stream can't be read to the end of the stretch.
 */
export async function foldRange(range: FoldRange): Promise<void> {
  const { folds, to } = range;
  let at = Math.min(...folds.map(({ position }) => position.seq));
  for (let attempt = 0; at < to && attempt < MAX_ATTEMPTS; attempt++) {
    range.signal?.throwIfAborted();
    const reached = await readOn(range, at);
    if (reached > at) attempt = 0;
    at = reached;
  }
  if (at < to) {
    throw new AppError(
      "unavailable",
      `${range.streamName} was read up to message ${at}, not to ${to}: ask again`,
    );
  }
  write(range);
  // Who decoded remembers where the rows were; they must not outlive the state for that.
  for (const fold of folds) fold.forget();
}

/** One reader's life. @returns how far it came; `to` at the end of the stream. */
async function readOn(range: FoldRange, after: number): Promise<number> {
  return range.to - after <= SHORT_MESSAGES
    ? await readShort(range, after)
    : await readLong(range, after);
}

/** Asks for no more than it needs: a long stream's server would send on until it is told to stop. */
async function readShort(range: FoldRange, after: number): Promise<number> {
  const { nc, jsm, streamName, to, folds, decode, signal } = range;
  let at = after;
  let reader: PullReader | undefined;
  const endAt = (seq: number): void => {
    at = seq;
    void reader?.close();
  };
  reader = await openPullReader({
    nc,
    jsm,
    stream: streamName,
    start: { fromSeq: after + 1 },
    room: () => (at < to ? Math.max(MIN_ROOM, to - at) : 0),
    onMessage: (message) => {
      if (at >= to || message.seq > to) return endAt(to);
      const decoded = decode(message);
      for (const fold of folds) fold.take(decoded, message.seq, message.timeMs);
      at = message.seq;
      if (at === to || signal?.aborted === true) endAt(at);
    },
    onEnd: () => endAt(to),
  });
  if (at < to && signal?.aborted !== true) await reader.ended;
  await reader.close();
  return at;
}

async function readLong(range: FoldRange, after: number): Promise<number> {
  const { nc, jsm, streamName, to, folds, decode, signal } = range;
  let at = after;
  let inBatch = 0;
  let reader: Reader | undefined;
  const endAt = (seq: number): void => {
    at = seq;
    void reader?.close();
  };
  reader = await openReader({
    nc,
    jsm,
    stream: streamName,
    start: { fromSeq: after + 1 },
    onMessage: (message) => {
      if (message.seq <= to) {
        const decoded = decode(message);
        for (const fold of folds) fold.take(decoded, message.seq, message.timeMs);
        at = message.seq;
        inBatch += 1;
      }
      if (message.seq >= to || message.pending === 0) {
        at = to;
        return false;
      }
      if (inBatch >= BATCH_MESSAGES) {
        inBatch = 0;
        write(range);
        range.onProgress?.(at);
      }
      return signal?.aborted !== true;
    },
    onEnd: () => endAt(to),
  });
  if (at < to) await reader.ended;
  await reader.close();
  return at;
}

function write({ db, folds }: FoldRange): void {
  const checkpoints = checkpointStore(db);
  db.transaction(() => {
    for (const fold of folds) fold.write(checkpoints);
  })();
  for (const fold of folds) {
    fold.settle();
    if (fold.stopped !== undefined) {
      throw new AppError(
        "unavailable",
        `Projection ${fold.projection.name} fails on message ${fold.stopped.seq}: ${fold.stopped.error}`,
      );
    }
  }
}
