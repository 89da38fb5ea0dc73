/**
 * The tables of a rebuild: twins of a projection's table under another name, and their exchange.
 * Views and statements go by name, so that whoever reads has the old rows or the new, never none.
 */
import { AppError } from "../core/errors.ts";
import type { SqliteDatabase } from "./open.ts";
import { tableName } from "./lanes.ts";
import type { Lane } from "./lanes.ts";
import type { TableShape } from "./tables.ts";

/** Rows deleted at a time from a table that goes: whoever else writes waits for no more than that. */
const DROP_ROWS = 2_000;
const GONE = "gone_";

type Table = Pick<TableShape<Record<string, unknown>>, "name" | "key">;

interface Definition {
  readonly type: "table" | "index";
  readonly name: string;
  readonly sql: string;
}

export function hasTable(db: SqliteDatabase, name: string): boolean {
  const found = db.prepare("select 1 from sqlite_master where type = 'table' and name = ?");
  return found.get(name) !== undefined;
}

/** A table and its indexes as SQL, in the order in which they can be made. */
function definitionsOf(db: SqliteDatabase, name: string): Definition[] {
  return db
    .prepare(
      `select type, name, sql from sqlite_master
        where tbl_name = ? and type in ('table', 'index') and sql is not null order by type desc`,
    )
    .all(name) as Definition[];
}

/** Index names are of the whole database; the tables that they were made for change theirs. */
function freeIndexName(db: SqliteDatabase, name: string): string {
  const plain = name.replace(/_g\d+$/, "");
  const taken = db.prepare("select 1 from sqlite_master where name = ?");
  let number = 1;
  while (taken.get(`${plain}_g${number}`) !== undefined) number += 1;
  return `${plain}_g${number}`;
}

function twinSql(db: SqliteDatabase, { type, name, sql }: Definition, twin: string): string {
  const body = sql.slice(sql.indexOf("("));
  if (type === "table") return `create table "${twin}" ${body}`;
  const unique = /^create\s+unique/i.test(sql) ? "unique " : "";
  return `create ${unique}index "${freeIndexName(db, name)}" on "${twin}" ${body}`;
}

/** Makes an empty twin of a table, in the place of one that may be there. Call in a transaction. */
export function createTwin(db: SqliteDatabase, table: string, lane: "next"): void {
  const twin = tableName(table, lane);
  db.exec(`drop table if exists "${twin}"`);
  for (const definition of definitionsOf(db, table)) db.exec(twinSql(db, definition, twin));
}

/** Makes the same tables, empty, in another database. */
export function copyDefinitions(from: SqliteDatabase, to: SqliteDatabase, table: string): void {
  for (const { sql } of definitionsOf(from, table)) to.exec(sql);
}

function columnsOf(db: SqliteDatabase, name: string): string {
  return JSON.stringify(
    db.prepare('select name, type, "notnull", pk from pragma_table_info(?)').all(name),
  );
}

/** Whether the lane has a table, and one of the same columns as the live one. */
export function isTwin(db: SqliteDatabase, table: string, lane: Lane): boolean {
  const twin = tableName(table, lane);
  return hasTable(db, twin) && columnsOf(db, twin) === columnsOf(db, table);
}

function rename(db: SqliteDatabase, from: string, to: string): void {
  db.exec(`alter table "${from}" rename to "${to}"`);
}

/** Runs in one transaction that may rename tables under the views that read them. */
export function exchanging<T>(db: SqliteDatabase, work: () => T): T {
  db.pragma("legacy_alter_table = ON");
  try {
    return db.transaction(work).immediate();
  } finally {
    db.pragma("legacy_alter_table = OFF");
  }
}

/**
 * The same with work that waits for something in between; it says whether it is to be committed.
 * Whoever else writes waits for it, and gives up after five seconds.
 */
export async function exchangingLater(
  db: SqliteDatabase,
  work: () => Promise<boolean>,
): Promise<boolean> {
  db.pragma("legacy_alter_table = ON");
  db.exec("begin immediate");
  try {
    const isDone = await work();
    db.exec(isDone ? "commit" : "rollback");
    return isDone;
  } catch (error) {
    if (db.inTransaction) db.exec("rollback");
    throw error;
  } finally {
    db.pragma("legacy_alter_table = OFF");
  }
}

/** Sets a table of a lane aside, to be dropped later. Call within {@link exchanging}. */
export function setAside(db: SqliteDatabase, table: string, lane: "next" | "old"): void {
  const name = tableName(table, lane);
  if (!hasTable(db, name)) return;
  let number = 1;
  while (hasTable(db, `${GONE}${number}_${table}`)) number += 1;
  rename(db, name, `${GONE}${number}_${table}`);
}

/** The live table becomes the old one, the next one the live. Call within {@link exchanging}. */
export function exchangeTables(db: SqliteDatabase, table: string): void {
  setAside(db, table, "old");
  rename(db, table, tableName(table, "old"));
  rename(db, tableName(table, "next"), table);
}

/** The old table is gone on with, in the place of a next one. Call within {@link exchanging}. */
export function takeOldAsNext(db: SqliteDatabase, table: string): void {
  if (!hasTable(db, tableName(table, "old"))) {
    throw new AppError("not_found", `There are no earlier rows of ${table} to go back to`);
  }
  setAside(db, table, "next");
  rename(db, tableName(table, "old"), tableName(table, "next"));
}

function firstGone(db: SqliteDatabase, table: string): string | undefined {
  const names = db
    .prepare(`select name from sqlite_master where type = 'table' and name glob '${GONE}*'`)
    .pluck()
    .all() as string[];
  return names.find((name) => name.replace(/^gone_\d+_/, "") === table);
}

/**
 * Drops the tables that were set aside, some rows at a time.
 * @returns whether more are left.
 */
export function dropSomeGone(db: SqliteDatabase, tables: readonly Table[]): boolean {
  for (const { name, key } of tables) {
    const gone = firstGone(db, name);
    if (gone === undefined) continue;
    const columns = key.map((column) => `"${column}"`).join();
    const { changes } = db
      .prepare(
        `delete from "${gone}" where (${columns}) in (select ${columns} from "${gone}" limit ?)`,
      )
      .run(DROP_ROWS);
    if (changes < DROP_ROWS) db.exec(`drop table "${gone}"`);
    return true;
  }
  return false;
}
