/** Warnings that come one after the other: the picture suffers, though the stream goes on. */
import type { FaultRow } from "./errors.ts";

const WINDOW_MS = 30_000;
/** One lost packet is life. */
const MANY = 5;

export interface TroubleMeter {
  add(row: FaultRow, atMs: number): void;
  /** What is wrong and what to do; null where little was printed of late. */
  current(nowMs: number): string | null;
}

/** All times are of one monotonic clock, in ms. */
export function createTroubleMeter(): TroubleMeter {
  const recent = new Map<FaultRow, number[]>();
  return {
    add(row, atMs) {
      recent.set(row, [...(recent.get(row) ?? []), atMs].slice(-MANY));
    },
    current(nowMs) {
      for (const [{ message, advice }, times] of recent) {
        const isOften = times.length === MANY && nowMs - (times[0] ?? 0) < WINDOW_MS;
        if (isOften) return `${message}. ${advice}`;
      }
      return null;
    },
  };
}
