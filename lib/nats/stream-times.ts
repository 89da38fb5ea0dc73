/** Where in a stream a moment lies. Direct gets only: nothing is left behind on the server. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { AppError, messageOf } from "../core/errors.ts";
import { clockOf, importOf } from "../core/imported-stream.ts";

export interface StreamPlace {
  /** Newest message at or before the moment; one before the first that is left where none is. */
  readonly seq: number;
  /** When the stream stored that message, epoch ms; 0 where there is none. */
  readonly time: number;
  /** First and last sequence that the stream holds. An empty stream's last is one before its first. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the first message was stored; undefined where there is none. */
  readonly firstTime: number | undefined;
  /** The stream's creation, as the server writes it. */
  readonly created: string;
  /** What the server's clock said, epoch ms; of an imported stream, where its clock stands. */
  readonly serverTime: number;
}

interface Found {
  readonly seq: number;
  readonly time: number;
}

/**
 * The newest message of a stream at or before a moment, to the ms: its nanoseconds count for
 * nothing. Some twenty questions for ten million messages; holes in the sequences are passed over.
 * @throws AppError `unavailable` where the stream can't be asked.
 */
export async function sequenceAt(
  jsm: JetStreamManager,
  stream: string,
  timeMs: number,
): Promise<StreamPlace> {
  try {
    return await search(jsm, stream, timeMs);
  } catch (error) {
    throw new AppError(
      "unavailable",
      `Stream ${stream} can't be searched for a moment: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function search(jsm: JetStreamManager, stream: string, timeMs: number): Promise<StreamPlace> {
  const { state, created, config, ts = "" } = await jsm.streams.info(stream);
  const clock = clockOf(config);
  const firstSeq = Math.max(1, state.first_seq);
  const lastSeq = Math.max(state.last_seq, firstSeq - 1);
  const next = async (seq: number): Promise<Found | undefined> => {
    const message = await jsm.direct.getMessage(stream, { seq, next_by_subj: ">" });
    if (message === null) return undefined;
    const time = clock(Math.floor(message.time.getTime()), message.header);
    return { seq: message.seq, time };
  };
  const first = lastSeq < firstSeq ? undefined : await next(firstSeq);
  const serverTime = importOf(config)?.endMs ?? Date.parse(ts);
  const place = { firstSeq, lastSeq, firstTime: first?.time, created, serverTime };
  if (first === undefined || first.time > timeMs) return { ...place, seq: firstSeq - 1, time: 0 };
  return { ...place, ...(await newestUpTo(timeMs, first, lastSeq, next)) };
}

/**
 * Times rise with the sequences, so the span is halved again and again.
 * @param next the first message from a sequence on.
 */
async function newestUpTo(
  timeMs: number,
  first: Found,
  lastSeq: number,
  next: (seq: number) => Promise<Found | undefined>,
): Promise<Found> {
  let newest = first;
  // From here on everything is later than the moment, or is not there.
  let end = lastSeq + 1;
  // Most ask for what is not long ago: the stream's own end is looked at first.
  let probe = lastSeq;
  while (newest.seq + 1 < end) {
    const found = await next(probe);
    if (found === undefined || found.seq >= end || found.time > timeMs) end = probe;
    else newest = found;
    probe = Math.floor((newest.seq + 1 + end) / 2);
  }
  return newest;
}
