import { JetStreamApiError, PersistMode } from "@nats-io/jetstream";
import type { ConsumerInfo, JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { millis } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { STREAM_KEYS, streamName } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { openJetStream } from "./jetstream.ts";

const NOT_FOUND = 10_059;
/** More consumers of one stream are not listed. */
const MAX_CONSUMERS = 1_000;

export interface ConsumerLag {
  readonly name: string;
  readonly durable: boolean;
  readonly filterSubjects: readonly string[];
  /** Messages not delivered yet. */
  readonly pending: number;
  /** Messages delivered and not acknowledged yet. */
  readonly ackPending: number;
  /** Sequence of the last message that was delivered. */
  readonly deliveredSeq: number;
}

export interface StreamDescription {
  readonly key: StreamKey;
  readonly name: string;
  readonly subjects: readonly string[];
  readonly messages: number;
  /** On disk. */
  readonly bytes: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Epoch ms; null while the stream is empty. */
  readonly firstTime: number | null;
  readonly lastTime: number | null;
  readonly created: string;
  /** The server's clock when it answered, epoch ms. */
  readonly serverTime: number;
  /** Null is no limit. */
  readonly limits: {
    readonly maxAgeMs: number | null;
    readonly maxBytes: number | null;
    readonly maxMessages: number | null;
  };
  readonly storage: string;
  readonly compression: string;
  readonly replicas: number;
  /** True where an acknowledged message survives a power failure of a single server. */
  readonly durable: boolean;
  readonly consumers: readonly ConsumerLag[];
}

/**
 * What is in the streams and who reads them; streams that do not exist are left out.
 * @throws AppError `unavailable` when JetStream does not answer.
 */
export async function describeStreams(
  nc: NatsConnection,
  prefixes: Prefixes,
): Promise<StreamDescription[]> {
  const jsm = await openJetStream(nc);
  const all = await Promise.all(
    STREAM_KEYS.map(async (key) => await describeStream(jsm, key, streamName(prefixes, key))),
  );
  return all.filter((stream) => stream !== undefined);
}

async function describeStream(
  jsm: JetStreamManager,
  key: StreamKey,
  name: string,
): Promise<StreamDescription | undefined> {
  try {
    const info = await jsm.streams.info(name);
    return description(key, info, await listConsumers(jsm, name));
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return undefined;
    throw error;
  }
}

async function listConsumers(jsm: JetStreamManager, stream: string): Promise<ConsumerLag[]> {
  const consumers: ConsumerLag[] = [];
  for await (const info of jsm.consumers.list(stream)) {
    if (consumers.push(consumerLag(info)) >= MAX_CONSUMERS) break;
  }
  return consumers;
}

function consumerLag(info: ConsumerInfo): ConsumerLag {
  const { filter_subject, filter_subjects, durable_name } = info.config;
  return {
    name: info.name,
    durable: durable_name !== undefined,
    filterSubjects: filter_subjects ?? (filter_subject === undefined ? [] : [filter_subject]),
    pending: info.num_pending,
    ackPending: info.num_ack_pending,
    deliveredSeq: info.delivered.stream_seq,
  };
}

function description(
  key: StreamKey,
  { config, state, created, ts }: StreamInfo,
  consumers: ConsumerLag[],
): StreamDescription {
  const isEmpty = state.messages === 0;
  return {
    key,
    name: config.name,
    subjects: config.subjects,
    messages: state.messages,
    bytes: state.bytes,
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    firstTime: isEmpty ? null : Date.parse(state.first_ts),
    lastTime: isEmpty ? null : Date.parse(state.last_ts),
    created,
    serverTime: ts === undefined ? Date.now() : Date.parse(ts),
    limits: {
      maxAgeMs: limit(config.max_age) === null ? null : millis(config.max_age),
      maxBytes: limit(config.max_bytes),
      maxMessages: limit(config.max_msgs),
    },
    storage: config.storage,
    compression: config.compression ?? "none",
    replicas: config.num_replicas,
    durable: (config.persist_mode ?? PersistMode.Default) !== PersistMode.Async,
    consumers,
  };
}

/** -1 and, for ages, 0 are how the server writes "no limit". */
function limit(value: number): number | null {
  return value > 0 ? value : null;
}
