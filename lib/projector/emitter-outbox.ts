/** How far a source stream was dealt with: up to and with this message. */
export interface Mark {
  readonly seq: number;
  /** Stream time of that message, epoch ms; 0 where it is not known. */
  readonly time: number;
}

export const BEGINNING: Mark = { seq: 0, time: 0 };

export function laterOf(a: Mark, b: Mark): Mark {
  return a.seq >= b.seq ? a : b;
}

export function earlierOf(a: Mark, b: Mark): Mark {
  return a.seq <= b.seq ? a : b;
}

/** A publish that follows from one message of a source stream. */
export interface OutboxEntry {
  /** Where the source stood before that message. */
  readonly before: Mark;
  /** Bytes that it holds in memory. */
  readonly bytes: number;
  /** Sequence that the stream gave it; 0 while that is awaited. */
  storedSeq: number;
}

/** More waiting publishes than this stop the reading that makes them. */
const MAX_ENTRIES = 2_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** Reading goes on when less than this part is left. */
const DRAINED_PART = 0.25;

/**
 * Publishes whose storing is awaited, in the order of the messages that they follow from. It knows
 * up to which message everything is stored, and that mark alone may be written down as done.
 */
export class Outbox<Entry extends OutboxEntry> {
  /** Sequence, in the stream published to, of the last entry before which all are stored. */
  lastStoredSeq = 0;
  #entries: Entry[] = [];
  #head = 0;
  #bytes = 0;

  get size(): number {
    return this.#entries.length - this.#head;
  }

  get isFull(): boolean {
    return this.size >= MAX_ENTRIES || this.#bytes >= MAX_BYTES;
  }

  /** Empty enough to read on after it was full. */
  get isDrained(): boolean {
    return this.size <= MAX_ENTRIES * DRAINED_PART && this.#bytes <= MAX_BYTES * DRAINED_PART;
  }

  /** Everything up to here is stored; undefined when nothing is waited for. */
  get storedThrough(): Mark | undefined {
    return this.#entries[this.#head]?.before;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }

  settle(entry: Entry, storedSeq: number): void {
    entry.storedSeq = storedSeq;
    for (;;) {
      const head = this.#entries[this.#head];
      if (head === undefined || head.storedSeq === 0) break;
      this.#head += 1;
      this.#bytes -= head.bytes;
      this.lastStoredSeq = Math.max(this.lastStoredSeq, head.storedSeq);
    }
    this.#compact();
  }

  #compact(): void {
    if (this.#head < MAX_ENTRIES && this.#head < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
