/**
 * Marks: what the status tables held at moments that are past, packed, in a file of their own.
 * They only save work: whoever has none folds from the stream's beginning.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { migrations } from "../../migrations/index.ts";
import { Database } from "./sqlite.ts";
import type { SqliteDatabase } from "./sqlite.ts";

const BUSY_TIMEOUT_MS = 2_000;

/** How far one projection's rows in a mark were folded. */
export interface MarkPosition {
  readonly projection: string;
  readonly version: number;
  readonly stream: string;
  readonly created: string;
  readonly seq: number;
  /** Epoch ms of that message; 0 before the first. */
  readonly time: number;
  /** Of the live table that it was copied from; null for one that was folded for the mark. */
  readonly generation: number | null;
}

export interface Mark {
  readonly id: number;
  /** Sequence of the heartbeats' stream, by which marks are told apart and thinned. */
  readonly seq: number;
  readonly bytes: number;
  readonly positions: readonly MarkPosition[];
}

interface MarkRow {
  readonly id: number;
  readonly seq: number;
  readonly bytes: number;
  readonly positions: string;
}

export interface MarkStore {
  /** Of all marks together. */
  readonly maxBytes: number;
  /** Newest first. */
  list(): Mark[];
  /** The packed tables; undefined where it was removed meanwhile. */
  read(id: number): Buffer | undefined;
  /** Adds one, and removes others where there are now too many bytes. */
  add(seq: number, positions: readonly MarkPosition[], packed: Buffer): void;
  remove(ids: readonly number[]): void;
  close(): void;
}

const TABLES = `
  create table if not exists mark (
    id integer primary key, seq integer not null, bytes integer not null, positions text not null);
  create table if not exists image (
    id integer primary key references mark (id), packed blob not null);`;

/**
 * Opens the file, or makes it. @param maxBytes of all marks together.
 * @throws an error of SQLite's where it is no database or may not be written.
 */
export function openMarkStore(file: string, maxBytes: number): MarkStore {
  mkdirSync(dirname(file), { recursive: true });
  const db = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = OFF");
    db.exec(TABLES);
    dropOutdated(db);
    return markStore(db, maxBytes);
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Marks of other tables than today's are of no use. */
function dropOutdated(db: SqliteDatabase): void {
  const schema = Object.keys(migrations).length;
  if (db.pragma("user_version", { simple: true }) === schema) return;
  db.exec("delete from image; delete from mark;");
  db.pragma(`user_version = ${schema}`);
}

function markStore(db: SqliteDatabase, maxBytes: number): MarkStore {
  const all = db.prepare("select id, seq, bytes, positions from mark order by seq desc, id desc");
  const image = db.prepare("select packed from image where id = ?").pluck();
  const insertMark = db.prepare("insert into mark (seq, bytes, positions) values (?, ?, ?)");
  const insertImage = db.prepare("insert into image (id, packed) values (?, ?)");
  const drops = ["image", "mark"].map((table) => db.prepare(`delete from ${table} where id = ?`));
  const known = new Map<number, { readonly text: string; readonly mark: Mark }>();
  const markOf = (row: MarkRow): Mark => {
    const before = known.get(row.id);
    if (before?.text === row.positions) return before.mark;
    const mark = { ...row, positions: JSON.parse(row.positions) as MarkPosition[] };
    known.set(row.id, { text: row.positions, mark });
    return mark;
  };
  const list = (): Mark[] => {
    const rows = all.all() as MarkRow[];
    // Whoever lists thousands again and again need not parse them again.
    if (known.size > 2 * rows.length) known.clear();
    return rows.map(markOf);
  };
  const remove = (ids: readonly number[]): void => {
    for (const id of ids) for (const drop of drops) drop.run(id);
  };
  const add = db.transaction(
    (seq: number, positions: readonly MarkPosition[], packed: Buffer): void => {
      const text = JSON.stringify(positions);
      const { lastInsertRowid } = insertMark.run(seq, packed.length, text);
      insertImage.run(lastInsertRowid, packed);
      remove(superfluous(list(), maxBytes));
    },
  );
  return {
    maxBytes,
    list,
    read: (id) => image.get(id) as Buffer | undefined,
    add: (seq, positions, packed) => {
      add.immediate(seq, positions, packed);
    },
    remove: (ids) => {
      db.transaction(remove).immediate(ids);
    },
    close: () => {
      db.close();
    },
  };
}

/**
 * Which marks must go: the one whose neighbours stand closest, again and again, so that what is
 * left stays evenly spread. The newest stays.
 * @param marks newest first.
 */
export function superfluous(marks: readonly Mark[], maxBytes: number): number[] {
  const left = [...marks];
  const gone: number[] = [];
  let bytes = left.reduce((sum, mark) => sum + mark.bytes, 0);
  while (bytes > maxBytes && left.length > 1) {
    let best = left.length - 1;
    let least = Number.POSITIVE_INFINITY;
    for (let index = 1; index < left.length; index++) {
      const span = (left[index - 1]?.seq ?? 0) - (left[index + 1]?.seq ?? 0);
      if (span < least) [best, least] = [index, span];
    }
    const [mark] = left.splice(best, 1);
    if (mark === undefined) break;
    gone.push(mark.id);
    bytes -= mark.bytes;
  }
  return gone;
}
