import { messageOf } from "../lib/core/errors.ts";

/** One thing that `runbeat doctor` looked at. */
export interface Check {
  readonly name: string;
  readonly level: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do about it; null where all is well. */
  readonly advice: string | null;
}

export function ok(name: string, found: string): Check {
  return { name, level: "ok", found, advice: null };
}

export function warn(name: string, found: string, advice: string): Check {
  return { name, level: "warn", found, advice };
}

export function fail(name: string, found: string, advice: string): Check {
  return { name, level: "fail", found, advice };
}

/** The message of an expected failure ends with what to do, so it needs no other advice. */
export function failed(name: string, error: unknown): Check {
  return { name, level: "fail", found: messageOf(error), advice: null };
}
