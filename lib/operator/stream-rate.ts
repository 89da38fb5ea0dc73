/** How much comes in, by where a stream's end was seen to be. */

/** With more messages a second than this, work that can be done later or in small pieces is. */
const BUSY_PER_SEC = 2_000;

export class StreamRate {
  #seen: { readonly seq: number; readonly atMs: number } | undefined;
  #perSec = 0;

  /**
   * Notes how far the stream is.
   * @param seq of its last message.
   * @param atMs of a clock that never jumps.
   */
  see(seq: number, atMs: number): void {
    const before = this.#seen;
    if (before !== undefined && atMs > before.atMs)
      this.#perSec = ((seq - before.seq) * 1_000) / (atMs - before.atMs);
    this.#seen = { seq, atMs };
  }

  /** Between the last two looks; false before there are two. */
  get isBusy(): boolean {
    return this.#perSec > BUSY_PER_SEC;
  }
}
