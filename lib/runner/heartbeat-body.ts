/** Puts a heartbeat together so that the pipeline will take it: checked, redacted, not too long. */
import { decodeHeartbeatBody } from "../core/decode-heartbeat.ts";
import { messageOf } from "../core/errors.ts";
import { MAX_HEARTBEAT_BYTES } from "../core/heartbeat.ts";
import type { HeartbeatBody } from "../core/heartbeat-schema.ts";
import type { JsonObject } from "../core/heartbeat.ts";
import { redactDeep } from "../core/redact.ts";
import type { RunnerId } from "../core/runner-id.ts";

/** What a runner says of itself in a heartbeat; the rest is filled in. */
export type HeartbeatPart = Partial<
  Pick<
    HeartbeatBody,
    | "health"
    | "fps"
    | "detected"
    | "matched"
    | "latency_ms"
    | "last_error"
    | "camera_state"
    | "checks"
    | "metrics"
    | "labels"
    | "resources"
    | "detail"
  >
>;

/** Sent at most every HEARTBEAT_SNAPSHOT_EVERY seconds; readers keep the last one. */
const HEAVY_FIELDS = ["checks", "metrics", "labels", "resources", "detail"] as const;

/** What does not change while a process runs. */
export interface BeatIdentity {
  readonly runner: RunnerId;
  readonly host: string;
  readonly pid: number;
  /** Epoch ms; 0 where unknown. */
  readonly startedAt: number;
  readonly intervalSec: number;
}

export interface ComposedBeat {
  readonly bytes: Buffer;
  /** Whether it carries anything of the heavy part. */
  readonly isHeavy: boolean;
  /** What had to be left out, a line each. */
  readonly faults: readonly string[];
}

/**
 * Makes a heartbeat's bytes. A field that the pipeline would refuse is left out, not the heartbeat.
 * @param atMs epoch ms on this host's clock.
 */
export function composeBeat(
  identity: BeatIdentity,
  seq: number,
  atMs: number,
  part: HeartbeatPart,
  withHeavy: boolean,
): ComposedBeat {
  const core = coreOf(identity, seq, atMs);
  const faults: string[] = [];
  const fields = sanitize(identity.runner, part, withHeavy, faults);
  const bytes = Buffer.from(JSON.stringify({ ...core, ...fields }));
  const isHeavy = HEAVY_FIELDS.some((field) => field in fields);
  if (bytes.length <= MAX_HEARTBEAT_BYTES) return { bytes, isHeavy, faults };
  faults.push(
    `the heartbeat has ${bytes.length} bytes, but at most ${MAX_HEARTBEAT_BYTES} are allowed: sent without ${HEAVY_FIELDS.join(", ")}`,
  );
  for (const field of HEAVY_FIELDS) delete fields[field];
  return { bytes: Buffer.from(JSON.stringify({ ...core, ...fields })), isHeavy, faults };
}

function coreOf(identity: BeatIdentity, seq: number, atMs: number): JsonObject {
  const { runner, host, pid, startedAt, intervalSec } = identity;
  return {
    v: 1,
    runner,
    host,
    pid,
    ...(startedAt > 0 ? { started_at: new Date(startedAt).toISOString() } : {}),
    ts: new Date(atMs).toISOString(),
    seq,
    interval_sec: intervalSec,
  };
}

/** Each field is judged alone by the pipeline's own decoder. */
function sanitize(
  runner: RunnerId,
  part: HeartbeatPart,
  withHeavy: boolean,
  faults: string[],
): JsonObject {
  const kept: JsonObject = {};
  for (const [field, value] of Object.entries(part)) {
    if (value === undefined || value === null) continue;
    if (!withHeavy && (HEAVY_FIELDS as readonly string[]).includes(field)) continue;
    if (typeof value === "number" && !Number.isFinite(value)) {
      faults.push(`${field} is ${value}, but must be a finite number`);
      continue;
    }
    try {
      const shown = redactField(field, value);
      const judged = decodeHeartbeatBody(runner, { pid: 1, [field]: shown });
      if (judged.ok || judged.rejection.reason === "too_large") kept[field] = shown;
      else faults.push(judged.rejection.message);
    } catch (error) {
      faults.push(`${field} can't be written as JSON: ${messageOf(error)}`);
    }
  }
  return kept;
}

/** `checks` and `metrics` hold no text: a metric named `tokens` is a number, no secret. */
function redactField(field: string, value: unknown): unknown {
  return field === "checks" || field === "metrics" ? value : redactDeep(value);
}
