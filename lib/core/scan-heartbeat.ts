/**
 * Reads the common heartbeat straight from its bytes: a flat object of known fields, plain ASCII,
 * plain numbers. That is several times as fast as parsing JSON into an object first. It never says
 * no: whatever is not that simple it leaves to `decodeHeartbeat`, which it agrees with on the rest
 * (test/core/scan-heartbeat.test.ts compares the two).
 */
import { MAX_ERROR_CHARS, MAX_HOST_CHARS, UNKNOWN_HOST } from "./heartbeat.ts";
import type { CameraState, Health, Heartbeat } from "./heartbeat.ts";
import { MAX_EPOCH_MS, utcInstant } from "./time.ts";
import { HEARTBEAT_UPCASTER } from "./upcast.ts";

/** More digits might not be what a double holds exactly. */
const MAX_DIGITS = 15;
const POWERS_OF_TEN = Array.from({ length: MAX_DIGITS + 1 }, (_, exponent) => 10 ** exponent);

const QUOTE = 34;
const COMMA = 44;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const COLON = 58;
const BACKSLASH = 92;
const LETTER_N = 110;
const OPEN = 123;
const CLOSE = 125;
const SPACE = 32;

const HEALTHS: readonly Health[] = ["healthy", "degraded", "unhealthy"];
const CAMERA_STATES: readonly CameraState[] = ["healthy", "degraded", "offline", "reconnecting"];

type Field =
  | "v"
  | "runner"
  | "pid"
  | "host"
  | "started_at"
  | "ts"
  | "seq"
  | "interval_sec"
  | "health"
  | "fps"
  | "detected"
  | "matched"
  | "latency_ms"
  | "last_error"
  | "camera_state";

const FIELDS: readonly Field[] = [
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
];

/** `"name":` as bytes, and the bit that says that it was seen. */
const KEYS = FIELDS.map((field, index) => ({
  field,
  bit: 1 << index,
  bytes: Buffer.from(`"${field}":`),
}));
type Key = (typeof KEYS)[number];

/** What is not simple. Thrown nowhere: a state of the scanner. */
let data: Uint8Array = new Uint8Array();
let at = 0;
let isOdd = false;

/** Whose fields a scan begins with: a runner sends the same ones in the same order. */
let lastOrder: readonly Key[] = [];

/**
 * Scans one heartbeat; undefined where it is not simple, which says nothing about its validity.
 * @param runner `kind/name/profile` of its subject.
 * @param knownHost the host that this runner named last: the same text is used again.
 */
export function scanHeartbeat(
  runner: string,
  bytes: Uint8Array,
  knownHost: string,
): Heartbeat | undefined {
  data = bytes;
  at = 1;
  isOdd = bytes[0] !== OPEN;
  const heartbeat = blank();
  const order: Key[] = [];
  let seen = 0;
  for (let index = 0; !isOdd; index++) {
    const key = nextKey(lastOrder[index]);
    if (key === undefined || (seen & key.bit) !== 0) return undefined;
    seen |= key.bit;
    if (lastOrder[index] !== key) order.push(...lastOrder.slice(order.length, index), key);
    readField(heartbeat, key.field, runner, knownHost);
    const next = bytes[at++];
    if (next === CLOSE) break;
    if (next !== COMMA) return undefined;
    if (bytes[at] === SPACE) at += 1;
  }
  if (order.length > 0) lastOrder = order;
  return isOdd || at !== bytes.length || heartbeat.pid < 1 ? undefined : heartbeat;
}

function blank(): Heartbeat {
  return {
    pid: 0,
    host: UNKNOWN_HOST,
    startedAt: 0,
    ts: null,
    seq: null,
    intervalSec: null,
    health: null,
    fps: null,
    detected: null,
    matched: null,
    latencyMs: null,
    lastError: "",
    cameraState: null,
    checks: null,
    metrics: null,
    labels: null,
    resources: null,
    detail: null,
  };
}

function nextKey(likely: Key | undefined): Key | undefined {
  const key = likely !== undefined && isHere(likely.bytes) ? likely : KEYS.find(isKeyHere);
  if (key === undefined) return undefined;
  at += key.bytes.length;
  if (data[at] === SPACE) at += 1;
  return key;
}

function isKeyHere(key: Key): boolean {
  return isHere(key.bytes);
}

function isHere(bytes: Uint8Array): boolean {
  for (let index = 0; index < bytes.length; index++) {
    if (data[at + index] !== bytes[index]) return false;
  }
  return true;
}

function readField(heartbeat: Heartbeat, field: Field, runner: string, knownHost: string): void {
  if (data[at] === LETTER_N) return skipNull();
  switch (field) {
    case "pid":
      heartbeat.pid = integer();
      return;
    case "seq":
      heartbeat.seq = integer();
      return;
    case "v":
      if (integer() !== HEARTBEAT_UPCASTER.version) isOdd = true;
      return;
    case "fps":
      heartbeat.fps = number();
      return;
    case "detected":
      heartbeat.detected = number();
      return;
    case "matched":
      heartbeat.matched = number();
      return;
    case "latency_ms":
      heartbeat.latencyMs = number();
      return;
    case "interval_sec":
      heartbeat.intervalSec = number();
      if (heartbeat.intervalSec === 0) isOdd = true;
      return;
    case "ts":
      heartbeat.ts = instant();
      return;
    case "started_at":
      heartbeat.startedAt = instant();
      return;
    case "host":
      heartbeat.host = host(knownHost);
      return;
    case "last_error":
      heartbeat.lastError = text(MAX_ERROR_CHARS);
      return;
    case "runner":
      if (!isText(runner)) isOdd = true;
      return;
    case "health":
      heartbeat.health = oneOf(HEALTHS);
      return;
    case "camera_state":
      heartbeat.cameraState = oneOf(CAMERA_STATES);
      return;
  }
}

function skipNull(): void {
  if (data[at + 1] !== 117 || data[at + 2] !== 108 || data[at + 3] !== 108) isOdd = true;
  at += 4;
}

/** Digits from here on; how many there were is how far `at` has moved. */
function digits(value: number): number {
  let result = value;
  for (let code = data[at] ?? 0; code >= ZERO && code <= 57; code = data[at] ?? 0) {
    result = result * 10 + (code - ZERO);
    at += 1;
  }
  return result;
}

function integer(): number {
  const start = at;
  if (data[at] === MINUS) isOdd = true;
  const value = digits(0);
  const count = at - start;
  if (count === 0 || count > MAX_DIGITS || (count > 1 && data[start] === ZERO)) isOdd = true;
  return value;
}

/**
 * A number of at least 0. Up to 15 digits divided by a power of ten is rounded once, so it is the
 * very double that the decimal text stands for.
 */
function number(): number {
  const start = at;
  const whole = integer();
  if (data[at] !== POINT) return whole;
  at += 1;
  const from = at;
  const all = digits(whole);
  const decimals = at - from;
  if (decimals === 0 || at - start > MAX_DIGITS + 1) isOdd = true;
  const power = POWERS_OF_TEN[decimals];
  return power === undefined ? 0 : all / power;
}

/** Where the plain text that begins here ends: at its closing quote. */
function textEnd(maxChars: number): number {
  if (data[at] !== QUOTE) isOdd = true;
  let end = at + 1;
  const last = Math.min(data.length, end + maxChars + 1);
  for (; end < last; end++) {
    const code = data[end] ?? 0;
    if (code === QUOTE) return end;
    if (code < SPACE || code > 126 || code === BACKSLASH) break;
  }
  isOdd = true;
  return end;
}

function text(maxChars: number): string {
  const end = textEnd(maxChars);
  const from = at + 1;
  at = end + 1;
  return end === from || isOdd ? "" : Buffer.from(data.subarray(from, end)).toString("latin1");
}

/** Whether exactly this text stands here, in quotes. */
function isText(wanted: string): boolean {
  const end = at + 1 + wanted.length;
  if (data[at] !== QUOTE || data[end] !== QUOTE) return false;
  for (let index = 0; index < wanted.length; index++) {
    if (data[at + 1 + index] !== wanted.charCodeAt(index)) return false;
  }
  at = end + 1;
  return true;
}

function host(known: string): string {
  if (known !== "" && isText(known)) return known;
  const value = text(MAX_HOST_CHARS);
  return value === "" ? UNKNOWN_HOST : value;
}

function oneOf<T extends string>(values: readonly T[]): T | null {
  for (const value of values) if (isText(value)) return value;
  isOdd = true;
  return null;
}

function instant(): number {
  if (data[at] !== QUOTE) {
    const value = integer();
    if (value > MAX_EPOCH_MS || data[at] === POINT) isOdd = true;
    return value;
  }
  const end = textEnd(24);
  const value = utcHere(at + 1, end - at - 1);
  at = end + 1;
  if (value === undefined) isOdd = true;
  return value ?? 0;
}

/** `2026-01-23T19:00:00[.123]Z`. */
function utcHere(from: number, length: number): number | undefined {
  if (length !== 20 && length !== 24) return undefined;
  if (data[from + 4] !== MINUS || data[from + 7] !== MINUS || data[from + 10] !== 84) {
    return undefined;
  }
  if (data[from + 13] !== COLON || data[from + 16] !== COLON) return undefined;
  if (data[from + length - 1] !== 90 || (length === 24 && data[from + 19] !== POINT)) {
    return undefined;
  }
  const millis = length === 24 ? two(from + 20) * 10 + one(from + 22) : 0;
  return utcInstant(
    two(from) * 100 + two(from + 2),
    two(from + 5),
    two(from + 8),
    two(from + 11),
    two(from + 14),
    two(from + 17),
    millis,
  );
}

function one(index: number): number {
  const value = (data[index] ?? 0) - ZERO;
  if (value < 0 || value > 9) isOdd = true;
  return value;
}

function two(index: number): number {
  return one(index) * 10 + one(index + 1);
}
