import type { Statement } from "better-sqlite3";
import type { SqliteDatabase } from "./open.ts";
import { tableName } from "./lanes.ts";
import type { Lane } from "./lanes.ts";
import { shapedRows } from "./shaped-rows.ts";
import type { KeyValues, TableShape } from "./tables.ts";

/** How much of a row is another than the table has it; the more, the wider the statement. */
const OFTEN = 1;
const SOMETIMES = 2;
/** Also of a row that the table does not have, or that nobody knows it to have. */
export const WHOLE = 3;
type Change = typeof OFTEN | typeof SOMETIMES | typeof WHOLE;

/** Reads and writes one table's rows by key, with statements prepared once. */
export interface RowStore<Row> {
  read(key: KeyValues): Row | undefined;
  /** What of the row is another than before. */
  changeOf(before: Row, row: Row): Change;
  /** Writes a row. JSON columns that still hold objects are turned into text, in place. */
  write(row: Row, change: Change): void;
  /** Removes the row with this row's key. */
  remove(row: Row): void;
  isEmpty(): boolean;
  clear(): void;
}

type Column<Row> = keyof Row & string;

/** One way to write a row: its values in the order that the statement takes them. */
interface Writer<Row> {
  readonly statement: Statement;
  readonly columns: readonly Column<Row>[];
}

const quoted = (column: string): string => `"${column}"`;

function upsertOf<Row>(db: SqliteDatabase, table: TableShape<Row>, name: string): Writer<Row> {
  const { columns, key } = table;
  const updates = columns
    .filter((column) => !key.includes(column))
    .map((column) => `"${column}" = excluded."${column}"`);
  const sql = `insert into ${name} (${columns.map(quoted).join()})
    values (${columns.map(() => "?").join()})
    on conflict (${key.map(quoted).join()}) do update set ${updates.join()}`;
  return { statement: db.prepare(sql), columns };
}

function updateOf<Row>(
  db: SqliteDatabase,
  { key }: TableShape<Row>,
  name: string,
  columns: readonly Column<Row>[],
): Writer<Row> {
  const sets = columns.map((column) => `"${column}" = ?`).join();
  const where = key.map((column) => `"${column}" = ?`).join(" and ");
  const statement = db.prepare(`update ${name} set ${sets} where ${where}`);
  return { statement, columns: [...columns, ...key] };
}

/** False where there was no row to update. */
function run<Row>({ statement, columns }: Writer<Row>, row: Row): boolean {
  const values: unknown[] = [];
  for (const column of columns) values.push(row[column]);
  return statement.run(values).changes > 0;
}

function differ<Row>(a: Row, b: Row, columns: readonly Column<Row>[]): boolean {
  for (const column of columns) if (a[column] !== b[column]) return true;
  return false;
}

/** The statement for each change: the narrowest that writes it. */
function writersOf<Row>(
  db: SqliteDatabase,
  table: TableShape<Row>,
  name: string,
): Readonly<Record<Change, Writer<Row>>> {
  const whole = upsertOf(db, table, name);
  const { often, sometimes } = table;
  if (often.length === 0) return { 1: whole, 2: whole, 3: whole };
  const narrow = updateOf(db, table, name, often);
  const wide = updateOf(db, table, name, [...often, ...sometimes]);
  return { 1: narrow, 2: wide, 3: whole };
}

export function rowStore<Row extends object>(
  db: SqliteDatabase,
  table: TableShape<Row>,
  lane: Lane,
): RowStore<Row> {
  const { often, sometimes, columns } = table;
  const name = tableName(table.name, lane);
  const where = table.key.map((column) => `"${column}" = ?`).join(" and ");
  const selected = `select ${columns.map(quoted).join()} from ${name}`;
  const one = shapedRows<Row>(db.prepare(`${selected} where ${where}`), columns);
  const remove = db.prepare(`delete from ${name} where ${where}`);
  const any = db.prepare(`select 1 from ${name} limit 1`);
  const clear = db.prepare(`delete from ${name}`);
  const writers = writersOf(db, table, name);
  const seldom = columns.filter((column) => !often.includes(column) && !sometimes.includes(column));
  return {
    read: (key) => one.get(...key),
    changeOf: (before, row) => {
      if (often.length === 0 || differ(row, before, seldom)) return WHOLE;
      return differ(row, before, sometimes) ? SOMETIMES : OFTEN;
    },
    write: (row, change) => {
      for (const column of table.json) writeJson(row, column);
      // Retention may have removed the row since it was read.
      if (!run(writers[change], row)) run(writers[WHOLE], row);
    },
    remove: (row) => void remove.run(table.key.map((column) => row[column])),
    isEmpty: () => any.get() === undefined,
    clear: () => void clear.run(),
  };
}

function writeJson<Row>(row: Row, column: Column<Row>): void {
  const value: unknown = row[column];
  if (typeof value !== "object" || value === null) return;
  row[column] = JSON.stringify(value) as Row[Column<Row>];
}
