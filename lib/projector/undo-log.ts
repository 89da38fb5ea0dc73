/**
 * What the last commits of one projection changed, so that they can be taken back. A server that
 * stores asynchronously loses its newest messages when it crashes; a projector that lives on then
 * goes back by those few messages instead of folding the whole stream anew.
 *
 * It is written to with every heartbeat, so it lies in rings that are made once: whatever lived for
 * a second and was then dropped would make garbage of the kind that takes long to collect.
 */
import type { Position } from "../store/checkpoint.ts";

/** Changed rows that are remembered; what is older can't be taken back. */
const MAX_UNDO_ROWS = 10_000;
/** Commits without a changed row count too. */
const MAX_COMMITS = 10_000;

export interface RowChange {
  /** As it was written. */
  readonly row: object;
  /** As it was before; undefined where there was none. */
  readonly before: object | undefined;
}

type Place = Pick<Position, "seq" | "time" | "streamCreated">;

export class UndoLog {
  readonly #maxRows: number;
  /** Where the oldest commit began; the others begin where the one before ended. */
  #start: Position | undefined;
  /** By commit: how many rows it changed, and where it ended. */
  readonly #sizes: number[] = [];
  readonly #seqs: number[] = [];
  readonly #times: number[] = [];
  #firstCommit = 0;
  #commits = 0;
  readonly #rows: (object | undefined)[] = [];
  readonly #befores: (object | undefined)[] = [];
  #firstRow = 0;
  #rowCount = 0;

  /** @param maxRows that are remembered; for tests. */
  constructor(maxRows = MAX_UNDO_ROWS) {
    this.#maxRows = maxRows;
  }

  /**
   * Makes room for a commit, whose changes are then added. One that does not follow on the last is
   * a new beginning.
   * @param spare takes rows that nobody needs any more.
   * @returns whether it is remembered; one that is too large is not, nor is what was before it.
   */
  begin(from: Position, to: Position, rows: number, spare: object[]): boolean {
    if (rows > this.#maxRows) {
      this.clear();
      return false;
    }
    if (!this.#endsAt(from)) this.clear();
    while (this.#rowCount + rows > this.#maxRows || this.#commits === MAX_COMMITS)
      this.#forgetOldest(spare);
    this.#start ??= { ...from };
    const place = (this.#firstCommit + this.#commits) % MAX_COMMITS;
    this.#commits += 1;
    this.#sizes[place] = rows;
    this.#seqs[place] = to.seq;
    this.#times[place] = to.time;
    return true;
  }

  /** As often as was said at the beginning of the commit. */
  add(row: object, before: object | undefined): void {
    const place = (this.#firstRow + this.#rowCount) % this.#maxRows;
    this.#rows[place] = row;
    this.#befores[place] = before;
    this.#rowCount += 1;
  }

  /** Where it can go back to from there, oldest first. */
  positionsBefore(current: Place): Position[] {
    if (this.#commits === 0 || !this.#endsAt(current)) return [];
    return Array.from({ length: this.#commits }, (_, index) => this.#from(index));
  }

  /** The changes since the position, newest first; they are forgotten. */
  takeBack(position: Position): RowChange[] {
    const taken: RowChange[] = [];
    let index = 0;
    while (index < this.#commits && !isSame(this.#from(index), position)) index += 1;
    while (this.#commits > index) {
      this.#commits -= 1;
      const size = this.#sizes[(this.#firstCommit + this.#commits) % MAX_COMMITS] ?? 0;
      for (let count = 0; count < size; count++) taken.push(this.#takeLast());
    }
    if (this.#commits === 0) this.#start = undefined;
    return taken;
  }

  clear(): void {
    this.#start = undefined;
    this.#commits = 0;
    this.#rowCount = 0;
    this.#rows.fill(undefined);
    this.#befores.fill(undefined);
  }

  #takeLast(): RowChange {
    this.#rowCount -= 1;
    const place = (this.#firstRow + this.#rowCount) % this.#maxRows;
    const change = { row: this.#rows[place] as object, before: this.#befores[place] };
    this.#rows[place] = undefined;
    this.#befores[place] = undefined;
    return change;
  }

  #forgetOldest(spare: object[]): void {
    const commit = this.#firstCommit;
    for (let count = this.#sizes[commit] ?? 0; count > 0; count--) {
      const place = this.#firstRow;
      const before = this.#befores[place];
      // A fold may have given the very row back that it was given: that one is still in use.
      if (before !== undefined && before !== this.#rows[place]) spare.push(before);
      this.#rows[place] = undefined;
      this.#befores[place] = undefined;
      this.#firstRow = (place + 1) % this.#maxRows;
      this.#rowCount -= 1;
    }
    this.#start = this.#from(1);
    this.#firstCommit = (commit + 1) % MAX_COMMITS;
    this.#commits -= 1;
  }

  /** Where a commit began, counted from the oldest. */
  #from(index: number): Position {
    const start = this.#start as Position;
    if (index === 0) return start;
    const place = (this.#firstCommit + index - 1) % MAX_COMMITS;
    return { ...start, seq: this.#seqs[place] ?? 0, time: this.#times[place] ?? 0 };
  }

  #endsAt(place: Place): boolean {
    return this.#start !== undefined && isSame(this.#from(this.#commits), place);
  }
}

function isSame(a: Place, b: Place): boolean {
  return a.seq === b.seq && a.time === b.time && a.streamCreated === b.streamCreated;
}
