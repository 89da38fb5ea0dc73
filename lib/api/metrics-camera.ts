/** How often a camera's runner had to start FFmpeg again, and why, as its heartbeats say. */
import type { RunnerView } from "../core/read-models.ts";

/** What one process of a camera's runner has said last. */
export interface Sessions {
  readonly process: string;
  /** Sessions of FFmpeg so far. */
  readonly count: number;
  /** What ended the last one that failed, in one word; "" where none has. */
  readonly fault: string;
}

const UNKNOWN = "unknown";
/** Names of faults, from outside: none of them is a sentence. */
const FAULT_NAME = /^[a-z_]{1,40}$/;

/** Undefined where the heartbeat says nothing of it. */
export function sessionsOf({ current, figures }: RunnerView): Sessions | undefined {
  const count = objectOf(figures?.metrics ?? null)["sessions"];
  if (typeof count !== "number" || current === undefined) return undefined;
  const fault = objectOf(figures?.detail ?? null)["fault"];
  const process = `${current.host} ${current.pid} ${current.startedAt}`;
  return {
    process,
    count,
    fault: typeof fault === "string" && FAULT_NAME.test(fault) ? fault : "",
  };
}

/** Undefined where none was started, or where another process counts anew. */
export function restartsBetween(
  before: Sessions | undefined,
  now: Sessions | undefined,
): { readonly reason: string; readonly count: number } | undefined {
  if (before === undefined || now === undefined || before.process !== now.process) return undefined;
  const count = now.count - before.count;
  // Once it is well again, the fault is gone from its heartbeats.
  const reason = now.fault || before.fault || UNKNOWN;
  return count > 0 ? { reason, count } : undefined;
}

function objectOf(json: string | null): Readonly<Record<string, unknown>> {
  if (json === null || json.length <= 2) return {};
  return JSON.parse(json) as Record<string, unknown>;
}
