/**
 * Heartbeats that were judged a moment ago and not kept. The server tells of a purge a moment after
 * it: what came between the two was judged by snapshots that were gone already.
 *
 * They lie as bytes in room that is made once: objects that live for as long as this would outlive
 * the young generation, and all of the heap would have to be collected for them again and again.
 */
import type { SampledRunner } from "./emitter-snapshots.ts";

/** At the most; older ones are forgotten, for it is about what is on its way at the same time. */
const MAX_PASSED = 4_096;
/** Of one heartbeat; a longer one has room of its own. */
const ROOM_BYTES = 512;

export interface PassedHeartbeat {
  readonly subject: string;
  readonly runner: SampledRunner;
  /** As it came. */
  readonly data: Uint8Array;
  readonly seq: number;
  /** Stream time, epoch ms. */
  readonly timeMs: number;
}

export class PassedHeartbeats {
  readonly #room = new Uint8Array(MAX_PASSED * ROOM_BYTES);
  readonly #lengths = new Uint16Array(MAX_PASSED);
  readonly #long: (Uint8Array | undefined)[] = [];
  readonly #seqs = new Float64Array(MAX_PASSED);
  readonly #times = new Float64Array(MAX_PASSED);
  readonly #runners: SampledRunner[] = [];
  readonly #subjects: string[] = [];
  #next = 0;

  add({ subject, runner, data, seq, timeMs }: PassedHeartbeat): void {
    const place = this.#next;
    this.#next = (place + 1) % MAX_PASSED;
    const isLong = data.length > ROOM_BYTES;
    // A copy; what a Buffer calls a slice would be the message's own memory.
    if (isLong) this.#long[place] = new Uint8Array(data);
    else {
      if (this.#long[place] !== undefined) this.#long[place] = undefined;
      this.#room.set(data, place * ROOM_BYTES);
      this.#lengths[place] = data.length;
    }
    this.#seqs[place] = seq;
    this.#times[place] = timeMs;
    this.#runners[place] = runner;
    this.#subjects[place] = subject;
  }

  /** Those stored at or after the time, oldest first. */
  since(timeMs: number): PassedHeartbeat[] {
    const found: PassedHeartbeat[] = [];
    for (const [place, runner] of this.#runners.entries()) {
      const storedAt = this.#times[place] ?? 0;
      if (storedAt < timeMs) continue;
      const begin = place * ROOM_BYTES;
      const data =
        this.#long[place] ?? this.#room.slice(begin, begin + (this.#lengths[place] ?? 0));
      const subject = this.#subjects[place] ?? "";
      found.push({ subject, runner, data, seq: this.#seqs[place] ?? 0, timeMs: storedAt });
    }
    return found.toSorted((a, b) => a.seq - b.seq);
  }
}
