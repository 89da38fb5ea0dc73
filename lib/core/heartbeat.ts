/** Without the schema, so that a program that only beats loads no validator. */

/** A heartbeat's body is at most this long on the wire. */
export const MAX_HEARTBEAT_BYTES = 16_384;
/** A longer `last_error` is cut, not refused. */
export const MAX_ERROR_CHARS = 2_000;
export const MAX_HOST_CHARS = 255;
/** Labels are "short strings": a longer one belongs in `detail`. */
export const MAX_LABEL_CHARS = 255;
export const UNKNOWN_HOST = "unknown";

export const HEALTH_VALUES = ["healthy", "degraded", "unhealthy"] as const;
export type Health = (typeof HEALTH_VALUES)[number];

export const CAMERA_STATES = ["healthy", "degraded", "offline", "reconnecting"] as const;
export type CameraState = (typeof CAMERA_STATES)[number];

export type JsonObject = { [key: string]: unknown };

/** A heartbeat that passed validation; absent values are null, so that every one has one shape. */
export interface Heartbeat {
  pid: number;
  host: string;
  /** Epoch ms of the process's start; 0 where the runner did not say. */
  startedAt: number;
  /** Epoch ms on the runner's clock. */
  ts: number | null;
  seq: number | null;
  intervalSec: number | null;
  health: Health | null;
  fps: number | null;
  detected: number | null;
  matched: number | null;
  latencyMs: number | null;
  /** "" where there is no error. */
  lastError: string;
  cameraState: CameraState | null;
  checks: JsonObject | null;
  metrics: JsonObject | null;
  labels: JsonObject | null;
  resources: JsonObject | null;
  detail: JsonObject | null;
}

export const REJECT_REASONS = [
  "bad_json",
  "bad_utf8",
  "bad_schema",
  "bad_subject",
  "identity_mismatch",
  "too_large",
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

/** Why a message could not be folded. */
export interface Rejection {
  readonly reason: RejectReason;
  /** For people: names the field and what is allowed. */
  readonly message: string;
}
