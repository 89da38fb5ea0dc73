import { AckPolicy, DeliverPolicy, JetStreamApiError } from "@nats-io/jetstream";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { nanos, nuid } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { openJetStream } from "./jetstream.ts";

const NOT_FOUND = 10_059;
/** The consumer that finds the place goes by itself if we can't delete it. */
const INACTIVE_MS = 10_000;

/** Everything, what is older than an instant (epoch ms), or all but the newest so many ms. */
export type PurgeWhat = "all" | { readonly olderThanMs: number } | { readonly keepLastMs: number };

export interface PurgeReport {
  readonly stream: string;
  /** Messages that went, or would go. */
  readonly messages: number;
  /** Bytes on disk; estimated from the mean size for a dry run. */
  readonly bytes: number;
  readonly messagesKept: number;
  /** First sequence that is kept. */
  readonly fromSeq: number;
  /** Messages stored before this instant go, epoch ms on the server's clock; null for all. */
  readonly cutoff: number | null;
  readonly dryRun: boolean;
}

/**
 * Purges the old end of a stream; what is stored while it runs stays.
 * @throws AppError `not_found` for a stream that does not exist, `conflict` where purging is denied,
 *   `unavailable` when JetStream does not answer.
 */
export async function purgeOlderThan(
  nc: NatsConnection,
  stream: string,
  what: PurgeWhat,
  options: { readonly dryRun?: boolean } = {},
): Promise<PurgeReport> {
  const jsm = await openJetStream(nc);
  try {
    return await purge(jsm, stream, what, options.dryRun ?? false);
  } catch (error) {
    throw failure(stream, error);
  }
}

async function purge(
  jsm: JetStreamManager,
  stream: string,
  what: PurgeWhat,
  dryRun: boolean,
): Promise<PurgeReport> {
  const info = await jsm.streams.info(stream);
  const cutoff = cutoffOf(what, info);
  const { state } = info;
  const fromSeq = cutoff === null ? state.last_seq + 1 : await firstKept(jsm, stream, cutoff, info);
  // Nothing is ever deleted from the middle of our streams, so sequences count messages.
  const messages = Math.min(state.messages, Math.max(0, fromSeq - state.first_seq));
  const estimate = messages === 0 ? 0 : Math.round((state.bytes / state.messages) * messages);
  const base = { stream, fromSeq, cutoff, dryRun, messagesKept: state.messages - messages };
  if (dryRun || messages === 0) return { ...base, messages, bytes: estimate };
  const { purged } = await jsm.streams.purge(stream, { seq: fromSeq });
  const after = (await jsm.streams.info(stream)).state;
  const isQuiet = after.messages === state.messages - purged;
  const bytes = isQuiet ? state.bytes - after.bytes : estimate;
  return { ...base, messages: purged, bytes, messagesKept: after.messages };
}

/** Null: everything goes. */
function cutoffOf(what: PurgeWhat, info: StreamInfo): number | null {
  if (what === "all") return null;
  if ("olderThanMs" in what) return what.olderThanMs;
  return (info.ts === undefined ? Date.now() : Date.parse(info.ts)) - what.keepLastMs;
}

/** The server finds the first message of a time for a consumer that starts there. */
async function firstKept(
  jsm: JetStreamManager,
  stream: string,
  cutoff: number,
  { state }: StreamInfo,
): Promise<number> {
  if (state.messages === 0 || Date.parse(state.first_ts) >= cutoff) return state.first_seq;
  if (Date.parse(state.last_ts) < cutoff) return state.last_seq + 1;
  const consumer = await jsm.consumers.add(stream, {
    name: `runbeat_prune_${nuid.next()}`,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(cutoff).toISOString(),
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(INACTIVE_MS),
    mem_storage: true,
    num_replicas: 1,
  });
  await jsm.consumers.delete(stream, consumer.name).catch(() => false);
  return consumer.delivered.stream_seq + 1;
}

function failure(stream: string, error: unknown): unknown {
  if (error instanceof AppError) return error;
  if (!(error instanceof JetStreamApiError)) {
    return new AppError("unavailable", `Stream ${stream} can't be purged: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const isMissing = error.code === NOT_FOUND;
  const message = isMissing
    ? `There is no stream ${stream}: start runbeat once, or check nats.stream_prefix`
    : `The NATS server refuses to purge stream ${stream}: ${error.message}`;
  return new AppError(isMissing ? "not_found" : "conflict", message, { cause: error });
}
