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

/** Bounds of what waits to be stored: no more messages are read than may follow from them. */
const MAX_ENTRIES = 4_000;
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Publishes whose storing is awaited, in the order of the messages that they follow from. It knows
 * up to which message everything is stored, and that mark alone may be written down as done.
 */
export class Outbox {
  /** Sequence, in the stream published to, of the last entry before which all are stored. */
  lastStoredSeq = 0;
  #entries: OutboxEntry[] = [];
  #head = 0;
  #bytes = 0;
  readonly #maxEntries: number;

  constructor(maxEntries = MAX_ENTRIES) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }

  /** How many more there is room for. */
  get room(): number {
    return this.#bytes >= MAX_BYTES ? 0 : Math.max(0, this.#maxEntries - this.size);
  }

  /** Everything up to here is stored; undefined when nothing is waited for. */
  get storedThrough(): Mark | undefined {
    return this.#entries[this.#head]?.before;
  }

  add(entry: OutboxEntry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }

  /** What follows from the message after `before` is stored already, at `storedSeq`. */
  pass(before: Mark, storedSeq: number): void {
    const passed: OutboxEntry = { before, bytes: 0, storedSeq };
    this.#entries.push(passed);
    this.settle(passed, storedSeq);
  }

  settle(entry: OutboxEntry, storedSeq: number): void {
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
