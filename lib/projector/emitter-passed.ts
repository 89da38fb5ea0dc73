/**
 * Heartbeats that were judged a moment ago and not kept. The server tells of a purge a moment after
 * it: what came between the two was judged by snapshots that were gone already.
 */
import type { Heartbeat } from "../core/heartbeat.ts";
import type { SampledRunner } from "./emitter-snapshots.ts";

/** At the most; older ones are forgotten, for it is about what is on its way at the same time. */
const MAX_PASSED = 4_096;

export interface PassedHeartbeat {
  readonly subject: string;
  readonly runner: SampledRunner;
  readonly heartbeat: Heartbeat;
  readonly seq: number;
  /** Stream time, epoch ms. */
  readonly timeMs: number;
}

export class PassedHeartbeats {
  readonly #ring: PassedHeartbeat[] = [];
  #next = 0;

  add(passed: PassedHeartbeat): void {
    this.#ring[this.#next] = passed;
    this.#next = (this.#next + 1) % MAX_PASSED;
  }

  /** Those stored at or after the time, oldest first. */
  since(timeMs: number): PassedHeartbeat[] {
    return this.#ring.filter((passed) => passed.timeMs >= timeMs).toSorted((a, b) => a.seq - b.seq);
  }
}
