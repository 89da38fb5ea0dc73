/**
 * What the last commits of one projection changed, so that they can be taken back. A server that
 * stores asynchronously loses its newest messages when it crashes; a projector that lives on then
 * goes back by those few messages instead of folding the whole stream anew.
 */
import type { Position } from "../store/checkpoint.ts";

/** Changed rows that are remembered; what is older can't be taken back. */
export const MAX_UNDO_ROWS = 10_000;
/** Commits without a changed row count too. */
const MAX_COMMITS = 10_000;

export interface RowChange {
  /** As it was written. */
  readonly row: object;
  /** As it was before; undefined where there was none. */
  readonly before: object | undefined;
}

interface Commit {
  readonly from: Position;
  readonly to: Position;
  readonly changes: readonly RowChange[];
}

export class UndoLog {
  #commits: Commit[] = [];
  #rows = 0;

  /** Remembers a commit. One that does not follow on the last, or is too large, is a new beginning. */
  record(from: Position, to: Position, changes: readonly RowChange[] | undefined): void {
    if (changes === undefined || !isSame(this.#commits.at(-1)?.to ?? from, from)) this.clear();
    if (changes === undefined) return;
    this.#commits.push({ from, to, changes });
    this.#rows += changes.length;
    while (this.#rows > MAX_UNDO_ROWS || this.#commits.length > MAX_COMMITS)
      this.#rows -= this.#commits.shift()?.changes.length ?? 0;
  }

  /** Where it can go back to from there, oldest first. */
  positionsBefore(current: Pick<Position, "seq" | "time" | "streamCreated">): Position[] {
    const last = this.#commits.at(-1);
    return last !== undefined && isSame(last.to, current)
      ? this.#commits.map(({ from }) => from)
      : [];
  }

  /** The changes since the position, newest first; they are forgotten. */
  takeBack(position: Position): RowChange[] {
    const index = this.#commits.findIndex(({ from }) => isSame(from, position));
    const taken = index < 0 ? [] : this.#commits.splice(index);
    const changes = taken.toReversed().flatMap((commit) => commit.changes.toReversed());
    this.#rows -= changes.length;
    return changes;
  }

  clear(): void {
    this.#commits = [];
    this.#rows = 0;
  }
}

type Place = Pick<Position, "seq" | "time" | "streamCreated">;

function isSame(a: Place, b: Place): boolean {
  return a.seq === b.seq && a.time === b.time && a.streamCreated === b.streamCreated;
}
