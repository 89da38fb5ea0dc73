import { messageOf } from "../core/errors.ts";
import { WHOLE, rowStore } from "../store/row-store.ts";
import type { RowStore } from "../store/row-store.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import type { CheckpointKey, CheckpointStore, Position } from "../store/checkpoint.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { Lane } from "../store/lanes.ts";
import type { RowChange, UndoLog } from "./undo-log.ts";
import type { AnyProjection, FoldedStream, MessageOf } from "../../projections/projection.ts";

/** Rows kept in memory between batches; beyond it they are read from the database again. */
const MAX_CACHED_ROWS = 150_000;

/** One row in memory. */
interface Entry {
  readonly key: string;
  row: object | undefined;
  /** As the table has it, while the row is another. */
  before: object | undefined;
  isDirty: boolean;
  /** The fold whose it is; undefined once it was dropped: who still holds it must look again. */
  owner: object | undefined;
}

const slots = new Map<string, number>();

/** Where a projection's entries stand in a runner's memo: few, and the same for ever. */
function slotOf(name: string): number {
  const slot = slots.get(name) ?? slots.size;
  slots.set(name, slot);
  return slot;
}

/** Why a projection stands still. */
export interface FoldStop {
  readonly error: string;
  /** Sequence of the message that its fold threw on. */
  readonly seq: number;
}

/**
 * One projection at work in one lane: the rows in memory, those that changed since the last
 * commit, and how far it has folded. It does no I/O but reading and writing rows.
 */
export class Fold {
  readonly projection: AnyProjection;
  readonly checkpoint: CheckpointKey;
  /** What is folded in memory, committed or not. */
  position: Position;
  stopped: FoldStop | undefined;
  readonly #store: RowStore<object>;
  #committed: Position;
  #cache = new Map<string, Entry>();
  #dirty: Entry[] = [];
  /** New rows of a table that is only appended to. */
  #appended: object[] = [];
  readonly #undo: UndoLog | undefined;
  /**
   * Rows that nobody needs any more, to be written over: a new row for each heartbeat is what made
   * most of the garbage, and the pauses in which it is collected.
   */
  readonly #spare: object[] = [];
  /** Of the table whose rows are in memory. */
  readonly #generation: number;
  readonly #slot: number;
  /** Whether the cache holds every row that the table has: then a miss needs no look-up. */
  #isWhole: boolean;
  #maxCachedRows = MAX_CACHED_ROWS;

  /**
   * @param undo remembers what is committed, unless too much is at a time.
   * @param version of the rows, where they are of another than the projection's own.
   */
  constructor(
    db: SqliteDatabase,
    projection: AnyProjection,
    lane: Lane,
    position: Position,
    undo?: UndoLog,
    version = projection.version,
  ) {
    this.#undo = undo;
    this.projection = projection;
    this.checkpoint = { projection: projection.name, version, partition: 0, lane };
    this.#generation = checkpointStore(db).read(this.checkpoint)?.generation ?? 0;
    this.#store = rowStore<object>(db, projection.table, lane);
    this.position = position;
    this.#committed = position;
    this.#isWhole = this.#store.isEmpty();
    this.#slot = slotOf(`${lane} ${projection.name}`);
  }

  get changedRows(): number {
    return this.#dirty.length + this.#appended.length;
  }

  /**
   * Folds one message; undefined stands for one that can't be folded, over which the position
   * moves all the same. After a fold threw, nothing more is taken.
   */
  take(message: MessageOf[FoldedStream] | undefined, seq: number, time: number): void {
    if (seq <= this.position.seq || this.stopped !== undefined) return;
    if (message !== undefined) {
      try {
        this.#evolve(message);
      } catch (error) {
        this.stopped = { error: messageOf(error), seq };
        return;
      }
    }
    this.#moveTo(seq, time);
  }

  #moveTo(seq: number, time: number): void {
    // A new object a message would cost; the committed position is a copy of its own.
    if (this.position === this.#committed) this.position = { ...this.position };
    const position = this.position as { seq: number; time: number };
    position.seq = seq;
    position.time = time;
  }

  #evolve(message: MessageOf[FoldedStream]): void {
    const { projection } = this;
    if (projection.appends) {
      const row = projection.evolve(undefined, message);
      if (row !== undefined) this.#appended.push(row);
      return;
    }
    const key = projection.key(message);
    if (key === undefined) return;
    const entry = this.#entry(key, message);
    // A row that this batch has made already is ours until it is written.
    const copy = entry.isDirty ? undefined : this.#copyOf(entry.row);
    const isOurs = entry.isDirty || copy !== undefined;
    const row = projection.evolve(copy ?? entry.row, message, isOurs);
    if (copy !== undefined && row !== copy) this.#spare.push(copy);
    if (row === undefined) return;
    if (!entry.isDirty) {
      entry.isDirty = true;
      entry.before = entry.row;
      this.#dirty.push(entry);
    }
    entry.row = row;
  }

  /** Undefined where there is no spare row to copy it into. */
  #copyOf(row: object | undefined): object | undefined {
    const copy = row === undefined ? undefined : this.#spare.pop();
    // Every row has every column: nothing of what it was before is left.
    return copy === undefined ? undefined : Object.assign(copy, row);
  }

  #entry(key: string, message: MessageOf[FoldedStream]): Entry {
    if (!("memo" in message)) return this.#find(key, message);
    const known = message.memo[this.#slot] as Entry | undefined;
    if (known !== undefined && known.owner === this && known.key === key) return known;
    const entry = this.#find(key, message);
    message.memo[this.#slot] = entry;
    return entry;
  }

  #find(key: string, message: MessageOf[FoldedStream]): Entry {
    let entry = this.#cache.get(key);
    if (entry === undefined) {
      const row = this.#isWhole ? undefined : this.#store.read(this.projection.keyValues(message));
      entry = { key, row, before: undefined, isDirty: false, owner: this };
      this.#cache.set(key, entry);
    }
    return entry;
  }

  /**
   * Writes what changed and moves the checkpoint; the caller holds the transaction. False when
   * another worker moved the checkpoint meanwhile: the caller must roll back.
   */
  write(checkpoints: CheckpointStore): boolean {
    const moved = this.position !== this.#committed;
    if (
      moved &&
      !checkpoints.advance(this.checkpoint, this.#committed, this.position, this.#generation)
    )
      return false;
    // Compared once a commit: with a backlog a row changes many times before it is written.
    for (const { row, before } of this.#dirty) {
      if (row === undefined) continue;
      this.#store.write(row, before === undefined ? WHOLE : this.#store.changeOf(before, row));
    }
    for (const row of this.#appended) this.#store.write(row, WHOLE);
    if (this.stopped !== undefined) {
      checkpoints.stop(this.checkpoint, this.stopped.error, this.stopped.seq);
    }
    return true;
  }

  /** Whether the table was exchanged since this fold began: it must begin anew, at once. */
  isReplaced(checkpoints: CheckpointStore): boolean {
    const { projection, lane } = this.checkpoint;
    const now = checkpoints.readAny(projection, lane);
    const isReplaced = now !== undefined && now.generation !== this.#generation;
    // What could be taken back was of the other table.
    if (isReplaced) this.#undo?.clear();
    return isReplaced;
  }

  /** After the transaction was committed. */
  settle(): void {
    if (this.position !== this.#committed) this.#remember();
    for (const entry of this.#dirty) {
      entry.isDirty = false;
      entry.before = undefined;
    }
    this.#dirty = [];
    this.#appended = [];
    this.#committed = this.position;
    if (this.#cache.size > this.#maxCachedRows) this.forget();
  }

  /** More at a time than can be taken back is not remembered: a backlog would fill the memory. */
  #remember(): void {
    const undo = this.#undo;
    if (undo?.begin(this.#committed, this.position, this.changedRows, this.#spare) !== true) return;
    for (const { row, before } of this.#dirty) undo.add(row as object, before);
    for (const row of this.#appended) undo.add(row, undefined);
  }

  /** From the next commit on, keeps at most so many rows in memory. */
  keepAtMost(rows: number): void {
    this.#maxCachedRows = rows;
  }

  /** Drops the rows in memory. Those who remember an entry must not keep its row alive. */
  forget(): void {
    for (const entry of this.#cache.values()) {
      entry.owner = undefined;
      entry.row = undefined;
    }
    this.#cache = new Map();
    this.#isWhole = false;
  }
}

/** Puts the rows back to what they were before the changes, newest first. */
export function takeBackRows(
  db: SqliteDatabase,
  projection: AnyProjection,
  changes: readonly RowChange[],
): void {
  const store = rowStore<object>(db, projection.table, "main");
  for (const { row, before } of changes) {
    if (before === undefined) store.remove(row);
    else store.write(before, WHOLE);
  }
}

/** Empties a projection's table in a lane and puts its checkpoint before the stream's first message. */
export function resetFold(
  db: SqliteDatabase,
  checkpoints: CheckpointStore,
  projection: AnyProjection,
  lane: Lane,
  start: Position,
  notice: string | null,
): void {
  rowStore<object>(db, projection.table, lane).clear();
  checkpoints.reset(
    { projection: projection.name, version: projection.version, partition: 0, lane },
    start,
    notice,
  );
}
