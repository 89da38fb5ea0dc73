/**
 * Requests that carry an Idempotency-Key: sent again, they are answered again and not done again.
 * Remembered in this process, for a while.
 */
import { createHash } from "node:crypto";

const KEPT_MS = 10 * 60_000;
/** At this many the oldest goes. */
const MAX_KEPT = 1_000;

export interface Answered {
  readonly status: 200 | 201;
  readonly body: object;
}

interface Kept {
  readonly about: string;
  readonly until: number;
  readonly answer: Promise<Answered>;
}

export class RepeatedRequests {
  readonly #kept = new Map<string, Kept>();

  /**
   * Does the work, unless the same was asked for under this key: then its answer is given again,
   * once there is one. What fails may be tried again.
   * @param about what is asked for, so that another thing under the same key is noticed.
   * @param now epoch ms.
   * @returns undefined where the key was used for something else.
   */
  once(
    key: string,
    about: string,
    now: number,
    work: () => Promise<Answered>,
  ): Promise<Answered> | undefined {
    this.#forget(now);
    const digest = createHash("sha256").update(about).digest("hex");
    const before = this.#kept.get(key);
    if (before !== undefined) return before.about === digest ? before.answer : undefined;
    const answer = work();
    this.#kept.set(key, { about: digest, until: now + KEPT_MS, answer });
    answer.catch(() => this.#kept.delete(key));
    return answer;
  }

  #forget(now: number): void {
    for (const [key, { until }] of this.#kept) {
      if (until > now && this.#kept.size < MAX_KEPT) return;
      this.#kept.delete(key);
    }
  }
}
