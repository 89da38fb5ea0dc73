import { z } from "zod";
import { redactDeep } from "./redact.ts";
import type { JsonObject, Rejection } from "./heartbeat.ts";
import { MAX_HOST_CHARS, UNKNOWN_HOST } from "./heartbeat.ts";
import { MAX_NESTING, isNestedDeeper } from "./nesting.ts";
import { parseTime } from "./time.ts";
import { EVENT_UPCASTER } from "./upcast.ts";

export const EVENT_TYPES = [
  "worker_registered",
  "process_spawned",
  "process_adopted",
  "process_stopping",
  "process_exited",
  "process_lost",
  "restart_scheduled",
  "restart_exhausted",
  "restart_denied",
  "restart_reset",
  "limit_exceeded",
  "status_changed",
  "camera_degraded",
  "camera_offline",
  "camera_online",
  "throttle_started",
  "throttle_stopped",
  "check_failed",
  "check_recovered",
  "runner_paused",
  "runner_resumed",
  "runner_restart_requested",
  "runner_retired",
  "enforcer_started",
  "enforcer_stopped",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Events are at most this long; they carry error tails and argument lists, not logs. */
export const MAX_EVENT_BYTES = 262_144;

/** Names one operating-system process of a runner. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Epoch ms; 0 where unknown. */
  readonly startedAt: number;
}

const instant = z.union([z.string(), z.number()]);
const process = {
  host: z.string().max(MAX_HOST_CHARS),
  pid: z.number().int().min(1),
  started_at: instant,
};

/** An operator's order: why, and who asked for it as they say themselves. */
const ordered = z.object({ reason: z.string().optional(), asked_by: z.string().optional() });

/** What each type says beyond `{v, at, by}`. Publishing validates by these. */
export const eventDataSchemas = {
  worker_registered: z.object({
    host: z.string(),
    labels: z.record(z.string(), z.string()),
    pid: z.number().int().min(1).optional(),
  }),
  process_spawned: z.object({
    ...process,
    argv: z.array(z.string()),
    env: z.record(z.string(), z.string()),
    attempt: z.number().int().min(0),
  }),
  process_adopted: z.object(process),
  process_stopping: z.object({ ...process, reason: z.string().optional() }),
  process_exited: z.object({
    ...process,
    exit_code: z.number().int().nullable(),
    signal: z.string().nullable(),
    ran_sec: z.number(),
    stderr: z.array(z.string()),
    stdout: z.array(z.string()).optional(),
  }),
  process_lost: z.object({ ...process, reason: z.string().optional() }),
  restart_scheduled: z.object({
    attempt: z.number().int().min(1),
    delay_sec: z.number().min(0),
    reason: z.string(),
  }),
  restart_exhausted: z.object({
    attempt: z.number().int(),
    cooldown_until: instant,
    reason: z.string(),
  }),
  restart_denied: z.object({ why: z.string() }),
  restart_reset: ordered,
  limit_exceeded: z.object({
    limit: z.string(),
    value: z.number(),
    max: z.number(),
    for_sec: z.number(),
  }),
  status_changed: z.object({
    from: z.string(),
    to: z.string(),
    cause: z.string(),
    since: instant.optional(),
  }),
  camera_degraded: z.object({ reason: z.string() }),
  camera_offline: z.object({ reason: z.string() }),
  camera_online: z.object({}),
  throttle_started: z.object({ reason: z.string() }),
  throttle_stopped: z.object({ reason: z.string() }),
  check_failed: z.object({ check: z.string(), message: z.string(), value: z.unknown().optional() }),
  check_recovered: z.object({
    check: z.string(),
    message: z.string(),
    value: z.unknown().optional(),
  }),
  runner_paused: ordered,
  runner_resumed: ordered,
  runner_restart_requested: ordered,
  runner_retired: ordered,
  enforcer_started: z.object({ host: z.string(), pid: z.number().int() }),
  enforcer_stopped: z.object({ host: z.string(), pid: z.number().int() }),
} satisfies Record<EventType, z.ZodType>;

export type EventData<T extends EventType> = z.input<(typeof eventDataSchemas)[T]>;

/** Builds an event's body, redacted, ready for JSON. `atMs`: epoch ms on the publisher's clock. */
export function eventBody<T extends EventType>(
  type: T,
  by: string,
  atMs: number,
  data: EventData<T>,
): JsonObject {
  const checked = eventDataSchemas[type].parse(data);
  return {
    v: EVENT_UPCASTER.version,
    at: new Date(atMs).toISOString(),
    by,
    ...(redactDeep(checked) as JsonObject),
  };
}

/** An event as folds see it. `data` is the whole body less `v`, `at` and `by`. */
export interface RunnerEvent {
  readonly type: string;
  readonly by: string;
  /** Of the publisher's clock, epoch ms; null where it did not say. */
  readonly at: number | null;
  /** Only for `process_…` events. */
  readonly process: ProcessIdentity | null;
  readonly data: JsonObject;
}

export type DecodedEvent =
  | { readonly ok: true; readonly event: RunnerEvent }
  | { readonly ok: false; readonly rejection: Rejection };

function bad(reason: Rejection["reason"], message: string): DecodedEvent {
  return { ok: false, rejection: { reason, message } };
}

/** Decodes an event's bytes. Lenient towards types and fields that it does not know. */
export function decodeEvent(type: string, data: Uint8Array): DecodedEvent {
  if (data.length > MAX_EVENT_BYTES) {
    return bad("too_large", `${data.length} bytes, but at most ${MAX_EVENT_BYTES} are allowed`);
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch (error) {
    const reason = error instanceof SyntaxError ? "bad_json" : "bad_utf8";
    return bad(reason, `the body can't be read: ${(error as Error).message}`);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return bad("bad_schema", "the body is not a JSON object");
  }
  if (data.length > MAX_NESTING && isNestedDeeper(body)) {
    return bad("bad_schema", `the body is nested deeper than ${MAX_NESTING} levels`);
  }
  const lifted = EVENT_UPCASTER.lift(body as JsonObject);
  return lifted.ok ? eventOf(type, lifted.body) : bad("bad_schema", lifted.message);
}

function eventOf(type: string, body: JsonObject): DecodedEvent {
  const { v: _version, at, by, ...data } = body;
  const process = type.startsWith("process_") ? processOf(data) : null;
  if (process === undefined) {
    return bad("bad_schema", `${type} must name its process: host, pid, started_at`);
  }
  const atMs =
    typeof at === "number" ? at : typeof at === "string" ? (parseTime(at) ?? null) : null;
  return {
    ok: true,
    event: { type, by: typeof by === "string" ? by : "unknown", at: atMs, process, data },
  };
}

function processOf(data: JsonObject): ProcessIdentity | undefined {
  const { host = UNKNOWN_HOST, pid, started_at: started = 0 } = data;
  if (typeof host !== "string" || host.length > MAX_HOST_CHARS) return undefined;
  if (!Number.isSafeInteger(pid) || (pid as number) < 1) return undefined;
  const startedAt = typeof started === "string" ? parseTime(started) : (started ?? 0);
  if (typeof startedAt !== "number" || !Number.isFinite(startedAt)) return undefined;
  return { host, pid: pid as number, startedAt: Math.trunc(startedAt) };
}
