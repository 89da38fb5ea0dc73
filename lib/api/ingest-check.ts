/** From a JSON body to a heartbeat that the folds will take, or to what is wrong with it. */
import { decodeHeartbeat } from "../core/decode-heartbeat.ts";
import { heartbeatSchema } from "../core/heartbeat-schema.ts";
import type { JsonObject } from "../core/heartbeat.ts";
import { tryParseRunnerId } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { ProblemCode } from "./problem.ts";

export type CheckedHeartbeat =
  | { readonly ok: true; readonly runner: RunnerId; readonly data: Uint8Array }
  | { readonly ok: false; readonly code: ProblemCode; readonly detail: string };

const MAX_ISSUES = 5;
/** Nothing that the folds take is nested deeper. */
const MAX_NESTING = 300;

function wrong(detail: string, code: ProblemCode = "invalid_body"): CheckedHeartbeat {
  return { ok: false, code, detail };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A name or number as it stands in a runner's name: cameras are often numbered. */
export function tokenOf(value: unknown): string | undefined {
  if (typeof value === "string" && value !== "") return value;
  return Number.isSafeInteger(value) ? String(value) : undefined;
}

/** Checks a heartbeat's body for one runner and writes it down for the stream. */
export function checkHeartbeat(runnerText: string, body: JsonObject): CheckedHeartbeat {
  const runner = tryParseRunnerId(runnerText);
  if (runner === undefined) {
    return wrong(
      `${JSON.stringify(runnerText).slice(0, 200)} is not a runner: its parts are 1-64 characters ` +
        "A-Z a-z 0-9 _ -, for example camera/front-door/hd",
    );
  }
  const parsed = heartbeatSchema.safeParse(body);
  if (!parsed.success) {
    const issues = parsed.error.issues.slice(0, MAX_ISSUES);
    return wrong(issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
  }
  const flaw = treeFlaw(body, 0);
  if (flaw !== undefined) return wrong(flaw);
  const data = Buffer.from(JSON.stringify(body));
  // The folds have the last word: what they would reject is not stored.
  const decoded = decodeHeartbeat(runner, data);
  if (decoded.ok) return { ok: true, runner, data };
  const { reason, message } = decoded.rejection;
  return wrong(message, reason === "too_large" ? "too_large" : "invalid_body");
}

/** JSON has no infinity: written out again it would be gone, and nobody told. */
function treeFlaw(value: unknown, depth: number): string | undefined {
  if (typeof value === "number") {
    return Number.isFinite(value) ? undefined : "it holds a number that is too large";
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (depth > MAX_NESTING) return `it is nested deeper than ${MAX_NESTING} levels`;
  for (const inner of Object.values(value)) {
    const flaw = treeFlaw(inner, depth + 1);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}
