import { z } from "zod";
import { MAX_EPOCH_MS, parseTime } from "./time.ts";

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

const optional = <T extends z.ZodType>(schema: T) => schema.nullish();
const count = z.number().min(0);

export const instantSchema = z
  .union([
    z.string().refine((text) => parseTime(text) !== undefined, "must be an RFC 3339 time"),
    z.number().min(0).max(MAX_EPOCH_MS),
  ])
  .describe("RFC 3339 string or epoch milliseconds");

export const resourcesSchema = z
  .looseObject({
    cpu_percent: optional(count),
    memory_mb: optional(count),
    memory_percent: optional(count),
    vram_mb: optional(count),
    disk_free_percent: optional(count),
    queues: optional(z.record(z.string(), z.number())),
    throttled: optional(z.boolean()),
    throttle_reason: optional(z.string()),
  })
  .describe("What the process uses of its host");

/**
 * The heartbeat on the wire. This schema validates HTTP ingest and generates the OpenAPI text; the
 * hot path decodes with `decode-heartbeat.ts`, and a differential test holds the two together.
 */
export const heartbeatSchema = z.looseObject({
  v: optional(z.number().int().min(1)).describe("schema version, 1 unless given"),
  runner: optional(z.string()).describe("kind/name/profile; must agree with the subject"),
  pid: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).describe("process id"),
  host: optional(z.string().max(MAX_HOST_CHARS)).describe('"unknown" unless given'),
  started_at: optional(instantSchema).describe("process start; part of its identity"),
  ts: optional(instantSchema).describe("when the runner made it; for clock skew only"),
  seq: optional(z.number().int()).describe("the runner's own counter"),
  interval_sec: optional(z.number().gt(0)).describe("how often this runner promises to beat"),
  health: optional(z.enum(HEALTH_VALUES)),
  fps: optional(count),
  detected: optional(count),
  matched: optional(count),
  latency_ms: optional(count),
  last_error: optional(z.string()).describe(`cut at ${MAX_ERROR_CHARS} characters`),
  camera_state: optional(z.enum(CAMERA_STATES)),
  checks: optional(z.record(z.string(), z.boolean())).describe('e.g. {"redis_ok": true}'),
  metrics: optional(z.record(z.string(), z.number())).describe("anything countable"),
  labels: optional(z.record(z.string(), z.string().max(MAX_LABEL_CHARS))),
  resources: optional(resourcesSchema),
  detail: optional(z.record(z.string(), z.unknown())).describe("whatever else is worth saying"),
});

/** What a publisher writes. */
export type HeartbeatBody = z.input<typeof heartbeatSchema>;

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
