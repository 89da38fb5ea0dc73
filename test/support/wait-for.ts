import { setTimeout as delay } from "node:timers/promises";

const PAUSE_MS = 20;

/**
 * Waits until the condition answers something other than false, null or undefined, and gives it
 * back. A condition that throws counts as not met yet; the last error is named on time-out.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly what?: string } = {},
): Promise<Exclude<T, false | null | undefined>> {
  const { timeoutMs = 20_000, what = "the condition" } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const outcome = await attempt(condition);
    if (outcome.met) return outcome.value as Exclude<T, false | null | undefined>;
    if (performance.now() >= deadline) {
      throw new Error(`${what} was not met within ${timeoutMs} ms`, { cause: outcome.error });
    }
    await delay(PAUSE_MS);
  }
}

async function attempt<T>(
  condition: () => T | Promise<T>,
): Promise<{ met: true; value: T } | { met: false; error?: unknown }> {
  try {
    const value = await condition();
    return value === false || value === null || value === undefined
      ? { met: false }
      : { met: true, value };
  } catch (error) {
    return { met: false, error };
  }
}
