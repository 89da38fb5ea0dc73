/** Where in a stream a moment lies. Direct gets only: nothing is left behind on the server. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { AppError, messageOf } from "../core/errors.ts";
import { clockOf, importOf } from "../core/imported-stream.ts";
import { newestUpTo } from "./time-search.ts";
import type { Found } from "./time-search.ts";

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
  readonly isImported: boolean;
}

/** Times that are forgotten at once where there are more. */
const MAX_KNOWN = 20_000;
/** A server that crashed may have lost the end of a stream and used its sequences again. */
const MAX_KNOWN_MS = 60_000;

/** Times of messages, for whoever looks for one moment after the other. */
export class KnownTimes {
  #found = new Map<string, Found>();
  #begunAt = performance.now();

  get(stream: string, created: string, seq: number): Found | undefined {
    if (performance.now() - this.#begunAt > MAX_KNOWN_MS) this.#forget();
    return this.#found.get(`${stream} ${created} ${seq}`);
  }

  set(stream: string, created: string, seq: number, found: Found): void {
    if (this.#found.size >= MAX_KNOWN) this.#forget();
    this.#found.set(`${stream} ${created} ${seq}`, found);
  }

  #forget(): void {
    this.#found = new Map();
    this.#begunAt = performance.now();
  }
}

/** What makes a search shorter. */
export interface SearchAids {
  /** Spares the questions that were asked for another moment. */
  readonly known?: KnownTimes | undefined;
  /** Sequences near which the moment may lie. */
  readonly near?: readonly number[];
}

/**
 * The newest message of a stream at or before a moment, to the ms: its nanoseconds count for
 * nothing. Some ten questions for ten million messages; holes in the sequences are passed over.
 * @throws AppError `unavailable` where the stream can't be asked.
 */
export async function sequenceAt(
  jsm: JetStreamManager,
  stream: string,
  timeMs: number,
  aids: SearchAids = {},
): Promise<StreamPlace> {
  try {
    return await search(jsm, stream, timeMs, aids);
  } catch (error) {
    throw new AppError(
      "unavailable",
      `Stream ${stream} can't be searched for a moment: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

async function search(
  jsm: JetStreamManager,
  stream: string,
  timeMs: number,
  { known, near = [] }: SearchAids,
): Promise<StreamPlace> {
  const { state, created, config, ts = "" } = await jsm.streams.info(stream);
  const clock = clockOf(config);
  const firstSeq = Math.max(1, state.first_seq);
  const lastSeq = Math.max(state.last_seq, firstSeq - 1);
  const next = async (seq: number): Promise<Found | undefined> => {
    const heard = known?.get(stream, created, seq);
    if (heard !== undefined) return heard;
    const message = await jsm.direct.getMessage(stream, { seq, next_by_subj: ">" });
    if (message === null) return undefined;
    const time = clock(Math.floor(message.time.getTime()), message.header);
    const found = { seq: message.seq, time };
    known?.set(stream, created, seq, found);
    return found;
  };
  const first = lastSeq < firstSeq ? undefined : await next(firstSeq);
  const origin = importOf(config);
  const serverTime = origin?.endMs ?? Date.parse(ts);
  const isImported = origin !== undefined;
  const place = { firstSeq, lastSeq, firstTime: first?.time, created, serverTime, isImported };
  if (first === undefined || first.time > timeMs) return { ...place, seq: firstSeq - 1, time: 0 };
  return { ...place, ...(await newestUpTo({ timeMs, first, lastSeq, near, next })) };
}
