/** Writes down how far a source is done, a few times a second and only what is stored. */
import { earlierOf } from "./emitter-outbox.ts";
import type { Mark } from "./emitter-outbox.ts";
import type { SourceOpening } from "./emitter-opening.ts";
import type { PositionStore, SourcePosition } from "./emitter-position.ts";
import type { StreamNow } from "./emitter-start.ts";

/** An anchor is at least so old: older than what a crashed server can lose. */
const ANCHOR_AGE_MS = 30_000;

/** How far a source is done at this moment. */
export interface Done {
  readonly judged: Mark;
  readonly rejected: Mark;
  /** Last sequences that were stored for it in the streams published to; 0 for none yet. */
  readonly lastSnapshotSeq: number;
  readonly lastRejectSeq: number;
}

interface Output {
  readonly created: string;
  readonly last_seq: number;
}

export class Progress {
  readonly #store: PositionStore;
  readonly #opening: SourceOpening;
  readonly #snapshots: Output;
  readonly #quarantine: Output;
  #revision: number;
  #written = "";
  #anchor: Mark;
  #nextAnchor: Mark;
  #nextAnchorAt = performance.now();

  constructor(
    store: PositionStore,
    opening: SourceOpening,
    outputs: { readonly snapshots: StreamNow | undefined; readonly quarantine: StreamNow },
  ) {
    this.#store = store;
    this.#opening = opening;
    this.#revision = opening.stored.revision;
    this.#anchor = opening.start.anchor;
    this.#nextAnchor = opening.start.judged;
    const { position } = opening.stored;
    this.#snapshots = wholeOutput(outputs.snapshots);
    this.#quarantine = knownOutput(outputs.quarantine, position?.quarantine);
  }

  /** @throws AppError `conflict` when another emitter has written. */
  async write(done: Done): Promise<void> {
    const position = this.#positionOf(done);
    const text = JSON.stringify(position);
    if (text === this.#written) return;
    this.#revision = await this.#store.write(this.#opening.key, position, this.#revision);
    this.#written = text;
  }

  #positionOf(done: Done): SourcePosition {
    this.#moveAnchor(done);
    return {
      v: 1,
      created: this.#opening.stream.created,
      judged: done.judged,
      rejected: done.rejected,
      anchor: this.#anchor,
      snapshots: grown(this.#snapshots, done.lastSnapshotSeq),
      quarantine: grown(this.#quarantine, done.lastRejectSeq),
    };
  }

  #moveAnchor(done: Done): void {
    const now = performance.now();
    if (now - this.#nextAnchorAt < ANCHOR_AGE_MS) return;
    this.#anchor = this.#nextAnchor;
    this.#nextAnchor = earlierOf(done.judged, done.rejected);
    this.#nextAnchorAt = now;
  }
}

/** Heartbeats whose snapshots are there already are passed over: all of these count from now on. */
function wholeOutput(now: StreamNow | undefined): Output {
  return now === undefined
    ? { created: "", last_seq: 0 }
    : { created: now.created, last_seq: now.lastSeq };
}

/** What is after the position is read again at every start, until its source is passed. */
function knownOutput(now: StreamNow, then: Output | undefined): Output {
  const lastSeq = then?.created === now.created ? Math.min(then.last_seq, now.lastSeq) : 0;
  return { created: now.created, last_seq: lastSeq };
}

function grown(output: Output, lastSeq: number): Output {
  return lastSeq > output.last_seq ? { ...output, last_seq: lastSeq } : output;
}
