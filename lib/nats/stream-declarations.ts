/** The streams of Runbeat, declared once; see the README's section "Streams". */
import {
  DiscardPolicy,
  PersistMode,
  RetentionPolicy,
  StorageType,
  StoreCompression,
} from "@nats-io/jetstream";
import type { StreamConfig } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { STREAM_KEYS, streamName, subjectPrefix } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";

const DUPLICATE_WINDOW_MS = 120_000;
const GIB = 2 ** 30;
/** Most that heartbeats take where nothing else is configured. */
export const MAX_HEARTBEAT_STREAM_BYTES = 8 * GIB;
/** Of the free disk, heartbeats take at most this part. */
const DISK_PART = 4;
/** Automatic limits are multiples of this, so that a start does not change them for nothing. */
const LIMIT_STEP_BYTES = 2 ** 26;
const UNLIMITED = -1;

/** How much a stream keeps; null is no limit. */
export interface StreamLimits {
  readonly maxAgeSec: number;
  readonly maxBytes: number | null;
  readonly maxMessages: number | null;
}

export interface StreamOptions {
  readonly prefixes: Prefixes;
  /** Copies on a cluster; 1 unless given. */
  readonly replicas?: number;
  /** Heartbeats without `maxBytes` get 8 GiB, or a quarter of the free disk where that is less. */
  readonly limits: Readonly<Record<StreamKey, StreamLimits>>;
  /** Free bytes where the server stores, where that is known. */
  readonly freeDiskBytes?: number;
}

export interface StreamDeclaration {
  readonly key: StreamKey | "state";
  readonly config: Partial<StreamConfig> & { name: string; subjects: string[] };
  /** Whether `max_bytes` was chosen by us, and may be made smaller where the server has less. */
  readonly isAutomaticSize: boolean;
}

const DESCRIPTIONS: Record<StreamKey, string> = {
  heartbeats: "Runbeat: every heartbeat",
  snapshots: "Runbeat: heartbeats kept for history",
  events: "Runbeat: life-cycle, supervision and status changes",
  alerts: "Runbeat: alerts and health summaries",
  quarantine: "Runbeat: messages that could not be folded",
};

/** Streams that may lose their last moments on power failure, and are fast for it. */
const MAY_LOSE_TAIL: readonly StreamKey[] = ["heartbeats", "snapshots", "quarantine"];

/** All streams as they should be, the bucket for leases and positions last. */
export function declareStreams(options: StreamOptions): StreamDeclaration[] {
  return [...STREAM_KEYS.map((key) => declareStream(options, key)), declareState(options)];
}

function declareStream(options: StreamOptions, key: StreamKey): StreamDeclaration {
  const { prefixes, limits } = options;
  const { maxAgeSec, maxBytes, maxMessages } = limits[key];
  const isAutomaticSize = key === "heartbeats" && maxBytes === null;
  const bytes = isAutomaticSize ? automaticBytes(options.freeDiskBytes) : maxBytes;
  return {
    key,
    isAutomaticSize,
    config: {
      name: streamName(prefixes, key),
      subjects: [`${subjectPrefix(prefixes, key)}>`],
      description: DESCRIPTIONS[key],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      compression: StoreCompression.S2,
      discard: DiscardPolicy.Old,
      max_age: nanos(maxAgeSec * 1000),
      max_bytes: bytes ?? UNLIMITED,
      max_msgs: maxMessages ?? UNLIMITED,
      max_msgs_per_subject: UNLIMITED,
      max_msg_size: UNLIMITED,
      // The server refuses a window that is longer than the messages live.
      duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, maxAgeSec * 1000)),
      num_replicas: options.replicas ?? 1,
      deny_delete: true,
      // Purging is how `prune` works.
      deny_purge: false,
      allow_rollup_hdrs: false,
      allow_direct: true,
      persist_mode: persistMode(options, key),
    },
  };
}

/** The server has the asynchronous mode for streams of one replica only. */
function persistMode(options: StreamOptions, key: StreamKey): PersistMode {
  const isFast = MAY_LOSE_TAIL.includes(key) && (options.replicas ?? 1) === 1;
  return isFast ? PersistMode.Async : PersistMode.Default;
}

/** 8 GiB or a quarter of the free disk where that is less. */
function automaticBytes(freeDiskBytes: number | undefined): number {
  const part = (freeDiskBytes ?? Number.MAX_SAFE_INTEGER) / DISK_PART;
  const steps = Math.max(1, Math.floor(part / LIMIT_STEP_BYTES));
  return Math.min(MAX_HEARTBEAT_STREAM_BYTES, steps * LIMIT_STEP_BYTES);
}

/** The bucket's name, for the key-value API; its stream is `KV_<bucket>`. */
export function stateBucket(prefixes: Prefixes): string {
  return `${prefixes.stream}_STATE`;
}

/** A key-value bucket whose keys can expire. Source: NATS ADR-8. */
function declareState(options: StreamOptions): StreamDeclaration {
  const bucket = stateBucket(options.prefixes);
  return {
    key: "state",
    isAutomaticSize: false,
    config: {
      name: `KV_${bucket}`,
      subjects: [`$KV.${bucket}.>`],
      description: "Runbeat: leases and positions",
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_age: 0,
      max_msgs_per_subject: 1,
      num_replicas: options.replicas ?? 1,
      deny_delete: true,
      deny_purge: false,
      allow_rollup_hdrs: true,
      allow_direct: true,
      allow_msg_ttl: true,
      persist_mode: PersistMode.Default,
    },
  };
}
