/** A rate over the last minute, from a count that is looked at now and then. */

const WINDOW_MS = 60_000;
/** Over less the rate says little. */
const MIN_MS = 2_000;
/** However often it is looked at: looks nearer to each other than this are not kept. */
const MIN_STEP_MS = 1_000;

export interface FrameRate {
  /** @param count so far. @param nowMs on a monotonic clock. */
  add(count: number, nowMs: number): void;
  /** Over the last 60 s, or since it is known; null while that is less than 2 s. */
  perSec(): number | null;
}

export function createFrameRate(count: number, nowMs: number): FrameRate {
  const looks: { readonly count: number; readonly atMs: number }[] = [{ count, atMs: nowMs }];
  let last = { count, atMs: nowMs };
  return {
    add(count, nowMs) {
      last = { count, atMs: nowMs };
      if (nowMs - (looks.at(-1)?.atMs ?? 0) >= MIN_STEP_MS) looks.push(last);
      while (looks.length > 1 && nowMs - (looks[1]?.atMs ?? 0) >= WINDOW_MS) looks.shift();
    },
    perSec() {
      const first = looks[0] ?? last;
      const elapsedMs = last.atMs - first.atMs;
      return elapsedMs < MIN_MS ? null : ((last.count - first.count) * 1_000) / elapsedMs;
    },
  };
}
