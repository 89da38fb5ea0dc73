/** The heartbeat on the wire, as a schema. */
import { z } from "zod";
import {
  CAMERA_STATES,
  HEALTH_VALUES,
  MAX_ERROR_CHARS,
  MAX_HOST_CHARS,
  MAX_LABEL_CHARS,
} from "./heartbeat.ts";
import { MAX_EPOCH_MS, parseTime } from "./time.ts";
import { HEARTBEAT_UPCASTER } from "./upcast.ts";

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
  v: optional(z.number().int().min(1).max(HEARTBEAT_UPCASTER.version)).describe(
    "schema version, 1 unless given",
  ),
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
