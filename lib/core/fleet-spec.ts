import { createHash } from "node:crypto";
import type { FleetEntry } from "./fleet.ts";

/**
 * Fingerprint of what a run is started with: two entries with the same one need no restart for
 * each other. How it is watched and restarted is no part of it. A hash, for it is kept in a file
 * and the entry may hold a password.
 */
export function specOf(entry: FleetEntry): string {
  const known = specs.get(entry);
  if (known !== undefined) return known;
  const { driver, intervalSec, labels } = entry;
  const text = JSON.stringify([driver, intervalSec, labels], sorted);
  const spec = createHash("sha256").update(text).digest("base64url").slice(0, 22);
  specs.set(entry, spec);
  return spec;
}

/** Entries never change, and are asked for at each look. */
const specs = new WeakMap<FleetEntry, string>();

/** Objects with their keys in order, so that the order in the file does not matter. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
