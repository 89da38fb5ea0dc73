/**
 * The hot path's heartbeat decoder: one pass, no schema library. It accepts and refuses exactly
 * what `heartbeatSchema` does (test/core/decode-heartbeat.test.ts compares the two).
 */
import { isUtf8 } from "node:buffer";
import {
  CAMERA_STATES,
  HEALTH_VALUES,
  MAX_ERROR_CHARS,
  MAX_HEARTBEAT_BYTES,
  MAX_HOST_CHARS,
  MAX_LABEL_CHARS,
  UNKNOWN_HOST,
} from "./heartbeat.ts";
import type { HeartbeatBody } from "./heartbeat-schema.ts";
import type {
  CameraState,
  Health,
  Heartbeat,
  JsonObject,
  RejectReason,
  Rejection,
} from "./heartbeat.ts";
import { MAX_NESTING, isNestedDeeper } from "./nesting.ts";
import { MAX_EPOCH_MS, parseTime } from "./time.ts";
import { HEARTBEAT_UPCASTER } from "./upcast.ts";

export type Decoded =
  | { readonly ok: true; readonly heartbeat: Heartbeat }
  | { readonly ok: false; readonly rejection: Rejection };

class Refused extends Error {
  readonly reason: RejectReason;
  constructor(reason: RejectReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

function refuse(field: string, value: unknown, allowed: string): never {
  throw new Refused("bad_schema", `${field} is ${shown(value)}, but must be ${allowed}`);
}

function shown(value: unknown): string {
  // Writing out a value that is nested too deeply would end in a stack overflow.
  if (isNestedDeeper(value)) return "nested very deeply";
  return JSON.stringify(value)?.slice(0, 80) ?? String(value);
}

/**
 * Decodes and validates one message's bytes.
 * @param runner `kind/name/profile` of the subject that it came on; the body's must agree.
 */
export function decodeHeartbeat(runner: string, data: Uint8Array): Decoded {
  try {
    return { ok: true, heartbeat: decodeBytes(runner, data) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { ok: false, rejection: { reason: error.reason, message: error.message } };
  }
}

/** As {@link decodeHeartbeat}, for a body that is parsed already. */
export function decodeHeartbeatBody(runner: string, body: unknown): Decoded {
  return decodeHeartbeat(runner, Buffer.from(JSON.stringify(body) ?? ""));
}

function decodeBytes(runner: string, data: Uint8Array): Heartbeat {
  if (data.length > MAX_HEARTBEAT_BYTES) {
    throw new Refused(
      "too_large",
      `${data.length} bytes, but at most ${MAX_HEARTBEAT_BYTES} are allowed`,
    );
  }
  const text = decodeText(data);
  const body = current(parseBody(text));
  if (body.runner != null) checkIdentity(body.runner, runner);
  const heartbeat = heartbeatOf(body);
  const extra = unknownFields(body);
  if (extra !== undefined) heartbeat.detail = mergeDetail(extra, heartbeat.detail);
  if (heartbeat.detail !== null || heartbeat.resources !== null) checkTree(heartbeat, text);
  return heartbeat;
}

/**
 * Fields are read by name, one by one, and never in a loop over keys: V8 then finds each of them
 * in the place where the last heartbeat of the same make had it.
 */
function heartbeatOf(body: Body): Heartbeat {
  return {
    pid: integer("pid", body.pid ?? null, 1),
    host: body.host == null ? UNKNOWN_HOST : host(body.host),
    startedAt: body.started_at == null ? 0 : instant("started_at", body.started_at),
    ts: body.ts == null ? null : instant("ts", body.ts),
    seq: body.seq == null ? null : integer("seq", body.seq, Number.MIN_SAFE_INTEGER),
    intervalSec: body.interval_sec == null ? null : positive("interval_sec", body.interval_sec),
    health: body.health == null ? null : health(body.health),
    fps: body.fps == null ? null : count("fps", body.fps),
    detected: body.detected == null ? null : count("detected", body.detected),
    matched: body.matched == null ? null : count("matched", body.matched),
    latencyMs: body.latency_ms == null ? null : count("latency_ms", body.latency_ms),
    lastError: body.last_error == null ? "" : lastError(body.last_error),
    cameraState: body.camera_state == null ? null : cameraState(body.camera_state),
    checks: body.checks == null ? null : record("checks", body.checks, isBoolean, "true or false"),
    metrics:
      body.metrics == null ? null : record("metrics", body.metrics, isFinite, "a finite number"),
    labels: body.labels == null ? null : record("labels", body.labels, isLabel, LABEL),
    resources: body.resources == null ? null : resources(body.resources),
    detail: body.detail == null ? null : plainObject("detail", body.detail),
  };
}

const isFinite = Number.isFinite;
const LABEL = `text of at most ${MAX_LABEL_CHARS} letters`;

/** A body as it was parsed: any of the known fields, each of any type, and others besides. */
type Body = { readonly [Field in keyof HeartbeatBody]?: unknown };

/** The schema's fields; a test holds the two together. */
const KNOWN: ReadonlySet<string> = new Set<keyof HeartbeatBody>([
  "v",
  "runner",
  "pid",
  "host",
  "started_at",
  "ts",
  "seq",
  "interval_sec",
  "health",
  "fps",
  "detected",
  "matched",
  "latency_ms",
  "last_error",
  "camera_state",
  "checks",
  "metrics",
  "labels",
  "resources",
  "detail",
]);

/** What Runbeat does not know; undefined where there is nothing of the kind. */
function unknownFields(body: Body): JsonObject | undefined {
  let extra: JsonObject | undefined;
  for (const key in body) {
    if (KNOWN.has(key)) continue;
    const value = (body as JsonObject)[key];
    if (value !== null) (extra ??= bare())[key] = value;
  }
  return extra;
}

/** An object without a prototype: a key such as `__proto__` is then a key like any other. */
function bare(): JsonObject {
  return Object.create(null) as JsonObject;
}

/** `latin1Slice` and `utf8Slice` are Node's own fast decoders; U+FFFD betrays a broken sequence. */
function decodeText(data: Uint8Array): string {
  const buffer = Buffer.isBuffer(data)
    ? data
    : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const text = buffer.toString("utf8");
  if (text.includes("\uFFFD") && !isUtf8(buffer)) {
    throw new Refused("bad_utf8", "the body is not valid UTF-8");
  }
  return text;
}

function parseBody(text: string): Body {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new Refused("bad_json", `the body is not JSON: ${(error as Error).message}`);
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return refuse("the body", body, "a JSON object");
  }
  return body;
}

/** What older publishers send, as today's would. */
function current(body: Body): Body {
  if (body.v == null || body.v === HEARTBEAT_UPCASTER.version) return body;
  const lifted = HEARTBEAT_UPCASTER.lift(body);
  if (!lifted.ok) throw new Refused("bad_schema", lifted.message);
  return lifted.body;
}

function integer(field: string, value: unknown, min: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= min) return value as number;
  return refuse(field, value, min === 1 ? "an integer of at least 1" : "an integer");
}

function positive(field: string, value: unknown): number {
  if (Number.isFinite(value) && (value as number) > 0) return value as number;
  return refuse(field, value, "a finite number above 0");
}

function count(field: string, value: unknown): number {
  if (Number.isFinite(value) && (value as number) >= 0) return value as number;
  return refuse(field, value, "a finite number of at least 0");
}

function host(value: unknown): string {
  if (typeof value !== "string" || value.length > MAX_HOST_CHARS) {
    return refuse("host", value, `text of at most ${MAX_HOST_CHARS} characters`);
  }
  return value === "" ? UNKNOWN_HOST : value;
}

function instant(field: string, value: unknown): number {
  if (typeof value === "string") {
    const time = parseTime(value);
    if (time !== undefined) return time;
  } else if (typeof value === "number" && value >= 0 && value <= MAX_EPOCH_MS) {
    return Math.trunc(value);
  }
  return refuse(field, value, "an RFC 3339 time or epoch milliseconds");
}

function lastError(value: unknown): string {
  if (typeof value !== "string") return refuse("last_error", value, "text");
  return cutText(value, MAX_ERROR_CHARS);
}

/** Cuts at a number of UTF-16 units without splitting a character in two. */
export function cutText(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const code = text.charCodeAt(maxChars - 1);
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? maxChars - 1 : maxChars);
}

function health(value: unknown): Health {
  if ((HEALTH_VALUES as readonly unknown[]).includes(value)) return value as Health;
  return refuse("health", value, `one of ${HEALTH_VALUES.join(", ")}`);
}

function cameraState(value: unknown): CameraState {
  if ((CAMERA_STATES as readonly unknown[]).includes(value)) return value as CameraState;
  return refuse("camera_state", value, `one of ${CAMERA_STATES.join(", ")}`);
}

function checkIdentity(value: unknown, runner: string): void {
  if (value === runner) return;
  if (typeof value !== "string") refuse("runner", value, "text: kind/name/profile");
  throw new Refused(
    "identity_mismatch",
    `the body says runner ${JSON.stringify(value).slice(0, 200)}, the subject says ${runner}`,
  );
}

function plainObject(field: string, value: unknown): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  return refuse(field, value, "an object");
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function isLabel(value: unknown): boolean {
  return typeof value === "string" && value.length <= MAX_LABEL_CHARS;
}

function record(
  field: string,
  value: unknown,
  isAllowed: (value: unknown) => boolean,
  allowed: string,
): JsonObject {
  const object = plainObject(field, value);
  for (const key in object) {
    if (!isAllowed(object[key])) refuse(`${field}.${key}`, object[key], allowed);
  }
  return object;
}

const RESOURCE_NUMBERS = [
  "cpu_percent",
  "memory_mb",
  "memory_percent",
  "vram_mb",
  "disk_free_percent",
] as const;

function resources(value: unknown): JsonObject {
  const object = plainObject("resources", value);
  for (const key of RESOURCE_NUMBERS) {
    if (object[key] != null) count(`resources.${key}`, object[key]);
  }
  const { queues, throttled, throttle_reason: reason } = object;
  if (queues != null) record("resources.queues", queues, Number.isFinite, "a finite number");
  if (throttled != null && typeof throttled !== "boolean") {
    refuse("resources.throttled", throttled, "true or false");
  }
  if (reason != null && typeof reason !== "string") {
    refuse("resources.throttle_reason", reason, "text");
  }
  return object;
}

/** Unknown fields are kept under `detail`; what the runner wrote there itself wins. */
function mergeDetail(extra: JsonObject, detail: JsonObject | null): JsonObject {
  if (detail !== null) {
    for (const key in detail) extra[key] = detail[key];
  }
  return extra;
}

/** Free-form parts may hold anything that JSON can, but nothing endless and nothing infinite. */
function checkTree(heartbeat: Heartbeat, text: string): void {
  const mayNest = text.length > MAX_NESTING;
  const mayOverflow = /\d[eE]\+?\d{2}|\d{300}/.test(text);
  if (!mayNest && !mayOverflow) return;
  checkValue("detail", heartbeat.detail, 0);
  checkValue("resources", heartbeat.resources, 0);
}

function checkValue(field: string, value: unknown, depth: number): void {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new Refused("bad_schema", `${field} holds a number that is not finite`);
  }
  if (typeof value !== "object" || value === null) return;
  if (depth >= MAX_NESTING) {
    throw new Refused("bad_schema", `${field} is nested deeper than ${MAX_NESTING} levels`);
  }
  for (const inner of Object.values(value)) checkValue(field, inner, depth + 1);
}
