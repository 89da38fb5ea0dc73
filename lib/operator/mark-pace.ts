/**
 * How much of its time the keeper of marks works. Marks only save work later: whoever folds, looks
 * and is told now goes first, also where they share two cores with everything else.
 */
import { StreamRate } from "./stream-rate.ts";

/** What the keeper does: copies the live tables, or folds marks where there are none. */
export type MarkWork = "copied" | "filled";

const LOOK_EVERY_MS = 1_000;
/**
 * Rests after a piece of work, in its own time: copies come for ever, filling comes to its end. While
 * much comes in, filling rests as copying does.
 */
const REST = { copied: 9, filled: 1 } as const;
/** But no longer: a machine that slept through a piece of work has not worked all that time. */
const MAX_REST_MS = 60_000;

export class MarkPace {
  readonly #rate = new StreamRate();
  #copiedAt: number | undefined;
  #distance = 0;

  /**
   * Notes how far the heartbeats' stream is.
   * @param atMs of a clock that never jumps.
   */
  see(seq: number, atMs: number): void {
    this.#rate.see(seq, atMs);
  }

  /** Notes the place of a copy. */
  copied(seq: number): void {
    if (this.#copiedAt !== undefined) this.#distance = seq - this.#copiedAt;
    this.#copiedAt = seq;
  }

  /**
   * Messages without a mark that are worth one: while much comes in, copies that come no closer
   * leave longer stretches, and filling those in at once would never end. It is done later.
   * @param spacing messages between two marks.
   */
  minStretch(spacing: number): number {
    return 2 * (this.#rate.isBusy ? Math.max(spacing, this.#distance) : spacing);
  }

  /** How long to rest now. @param work undefined where there was none. */
  restMs(work: MarkWork | undefined, workedMs: number): number {
    if (work === undefined) return LOOK_EVERY_MS;
    const times = this.#rate.isBusy ? REST.copied : REST[work];
    return Math.min(workedMs * times, MAX_REST_MS);
  }
}
