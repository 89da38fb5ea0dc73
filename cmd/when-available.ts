import { setTimeout as delay } from "node:timers/promises";
import { noAnswer } from "../lib/nats/no-answer.ts";
import type { Context } from "./context.ts";

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;

export interface WhenAvailableOptions {
  readonly log: Pick<Context["log"], "warn">;
  readonly signal: AbortSignal;
}

/**
 * Tries again for as long as what a long-running command needs is not there: a server that is
 * started or restarted at any instant must not end it.
 * @throws what `attempt` throws but AppError `unavailable` and requests that got no answer;
 *   AbortError once the signal is given.
 */
export async function whenAvailable<T>(
  attempt: () => Promise<T>,
  { log, signal }: WhenAvailableOptions,
): Promise<T> {
  for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
    try {
      return await attempt();
    } catch (error) {
      const unavailable = noAnswer(error);
      if (unavailable === undefined) throw error;
      log.warn({ nextTryMs: waitMs }, unavailable.message);
    }
    await delay(waitMs, undefined, { signal });
  }
}
