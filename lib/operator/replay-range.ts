/** From which moment to which: times, or places in a stream such as `heartbeats:123`. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { AppError } from "../core/errors.ts";
import { clockOf } from "../core/imported-stream.ts";
import { requireMoment } from "../core/moment.ts";
import { formatTime } from "../core/time.ts";
import { STREAM_KEYS, streamName } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import type { MergedReaderOptions } from "./merged-reader.ts";

/** One end of a range as somebody wrote it. */
export type RangeEnd =
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "place"; readonly key: StreamKey; readonly seq: number };

/**
 * @param name what the text was given for: `--from`.
 * @throws AppError `invalid` that says what is allowed.
 */
export function parseRangeEnd(name: string, text: string, nowMs: number): RangeEnd {
  // A time such as 03:12 begins with a digit; the stream may be written as the server has it.
  const place = /^(?:\w+_)?([a-z]+):(\d{1,15})$/i.exec(text.trim());
  if (place === null || /^\d/.test(text.trim())) {
    return { kind: "time", ms: requireMoment(name, text, nowMs) };
  }
  const key = STREAM_KEYS.find((known) => known === place[1]?.toLowerCase());
  const seq = Number(place[2]);
  if (key !== undefined && seq > 0) return { kind: "place", key, seq };
  throw new AppError(
    "invalid",
    `${name}: "${text}" is no place in a stream: write STREAM:SEQUENCE with a stream of ${STREAM_KEYS.join(", ")}, for example heartbeats:123`,
  );
}

type Range = Pick<MergedReaderOptions, "from" | "to" | "sequences">;

/**
 * What a merge takes. A place in one stream is, for the others, the time of its message.
 * @throws AppError `not_found` for a place after the end of its stream.
 */
export async function resolveRange(
  { jsm, prefixes }: { readonly jsm: JetStreamManager; readonly prefixes: Prefixes },
  from: RangeEnd | undefined,
  to: RangeEnd | undefined,
): Promise<Range> {
  const timeOf = async (end: RangeEnd | undefined): Promise<number | undefined> => {
    if (end === undefined) return undefined;
    return end.kind === "time"
      ? end.ms
      : await timeOfPlace(jsm, streamName(prefixes, end.key), end.seq);
  };
  const sequences: Partial<Record<StreamKey, { from?: number; to?: number }>> = {};
  if (from?.kind === "place") sequences[from.key] = { from: from.seq };
  if (to?.kind === "place") sequences[to.key] = { ...sequences[to.key], to: to.seq };
  const range = { from: await timeOf(from), to: await timeOf(to), sequences };
  if (range.from !== undefined && range.to !== undefined) checkOrder(range.from, range.to);
  return range;
}

/** @throws AppError `invalid` for a range, in epoch ms, that ends before it begins. */
export function checkOrder(from: number, to: number): void {
  if (from <= to) return;
  throw new AppError(
    "invalid",
    `The range ends before it begins: from ${formatTime(from)} to ${formatTime(to)}`,
  );
}

async function timeOfPlace(jsm: JetStreamManager, stream: string, seq: number): Promise<number> {
  const { config, state } = await jsm.streams.info(stream);
  const message = await jsm.direct.getMessage(stream, { seq, next_by_subj: ">" });
  if (message !== null) return clockOf(config)(Math.floor(message.time.getTime()), message.header);
  throw new AppError(
    "not_found",
    `Stream ${stream} has no message ${seq}: it holds ${state.first_seq} to ${state.last_seq}`,
  );
}
