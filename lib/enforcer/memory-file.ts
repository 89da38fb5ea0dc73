/** The enforcer's memory on disk: there is the old one or the new one, never half of one. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../core/errors.ts";
import { parseMemory } from "../core/decide-memory.ts";
import type { EnforcerMemory } from "../core/decide-memory.ts";
import type { EventAction } from "../core/decide-action.ts";

const OWNER_ONLY = 0o600;

/** An event that the stream has not taken yet. */
export interface UntoldEvent {
  readonly at: number;
  readonly action: EventAction;
}

export interface Kept {
  /** Of the boot in which it was written. */
  readonly bootId: string;
  readonly memory: EnforcerMemory;
  readonly untold: readonly UntoldEvent[];
}

/** Undefined where there is none, or none that can be read: that is said by `warn`. */
export function readKept(path: string, warn: (message: string) => void): Kept | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
  try {
    const { bootId, memory, untold } = JSON.parse(text) as Record<string, unknown>;
    const parsed = parseMemory(memory);
    if (parsed !== undefined && typeof bootId === "string" && Array.isArray(untold)) {
      return { bootId, memory: parsed, untold: untold as UntoldEvent[] };
    }
  } catch {
    // Half a file can't be, but anything may have been written there.
  }
  warn(`${path} is not what an enforcer has written: restarts are counted anew`);
  return undefined;
}

/** @returns what went wrong; undefined where it was written. */
export function writeKept(path: string, kept: Kept): string | undefined {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, JSON.stringify(kept), { mode: OWNER_ONLY });
    renameSync(`${path}.new`, path);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
