import { decodeHeartbeatBody } from "./decode-heartbeat.ts";
import type { Heartbeat, JsonObject } from "./heartbeat.ts";
import { parseTime } from "./time.ts";

/** Why a heartbeat is kept: the three cases of rate-limited persistence. */
export type SampleCause = "error" | "first" | "window";

/** What the rule remembers of one runner: the stream time of the last heartbeat that was kept. */
export interface SampleState {
  /** Epoch ms. */
  readonly keptAt: number;
}

/**
 * Whether a heartbeat goes to the SNAPSHOTS stream: every one with an error, the first one, and
 * one after each window. Deterministic, by stream time.
 * @param atMs the time at which the stream stored the heartbeat, epoch ms.
 * @param everySec the window in seconds; 0 disables snapshots, those of errors included.
 */
export function sample(
  state: SampleState | undefined,
  heartbeat: { readonly lastError: string },
  atMs: number,
  everySec: number,
): SampleCause | undefined {
  if (everySec === 0) return undefined;
  if (heartbeat.lastError !== "") return "error";
  if (state === undefined) return "first";
  return atMs - state.keptAt >= everySec * 1000 ? "window" : undefined;
}

/** Headers of a snapshot: which heartbeat it was. */
export const SNAPSHOT_SEQ_HEADER = "Runbeat-Source-Seq";
export const SNAPSHOT_TIME_HEADER = "Runbeat-Source-Time";

/** A snapshot as it stands on the stream. */
export interface Snapshot {
  /** Stream time of the heartbeat, epoch ms. */
  readonly ts: number;
  /** Sequence of the heartbeat in its stream. */
  readonly heartbeatSeq: number;
  readonly heartbeat: Pick<
    Heartbeat,
    | "host"
    | "pid"
    | "startedAt"
    | "health"
    | "fps"
    | "detected"
    | "matched"
    | "latencyMs"
    | "lastError"
    | "seq"
  >;
}

/** The snapshot's JSON body: a heartbeat's fields, with the stream's time and sequence. */
export function snapshotBody(snapshot: Snapshot): JsonObject {
  const { heartbeat } = snapshot;
  return {
    v: 1,
    ts: new Date(snapshot.ts).toISOString(),
    heartbeat_seq: snapshot.heartbeatSeq,
    host: heartbeat.host,
    pid: heartbeat.pid,
    started_at: heartbeat.startedAt === 0 ? null : new Date(heartbeat.startedAt).toISOString(),
    health: heartbeat.health,
    fps: heartbeat.fps,
    detected: heartbeat.detected,
    matched: heartbeat.matched,
    latency_ms: heartbeat.latencyMs,
    last_error: heartbeat.lastError,
    seq: heartbeat.seq,
  };
}

/** Reads a snapshot's body back; undefined where it is none. `runner`: of its subject. */
export function decodeSnapshot(runner: string, data: Uint8Array): Snapshot | undefined {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof body !== "object" || body === null) return undefined;
  const { ts, heartbeat_seq: heartbeatSeq, ...fields } = body as JsonObject;
  const time = typeof ts === "string" ? parseTime(ts) : undefined;
  if (time === undefined || !Number.isSafeInteger(heartbeatSeq)) return undefined;
  const decoded = decodeHeartbeatBody(runner, fields);
  if (!decoded.ok) return undefined;
  return { ts: time, heartbeatSeq: heartbeatSeq as number, heartbeat: decoded.heartbeat };
}
