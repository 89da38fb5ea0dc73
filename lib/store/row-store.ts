import type { Statement } from "better-sqlite3";
import type { SqliteDatabase } from "./open.ts";
import { tableName } from "./tables.ts";
import type { KeyValues, Lane, TableShape } from "./tables.ts";

/** Reads and writes one table's rows by key, with statements prepared once. */
export interface RowStore<Row> {
  read(key: KeyValues): Row | undefined;
  /**
   * Writes a row. JSON columns that still hold objects are turned into text, in place.
   * @param before the row as the table has it; undefined where it has none, or nobody knows.
   */
  write(row: Row, before?: Row): void;
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

/** Picks the narrowest statement that writes what changed. */
function chooser<Row>(
  db: SqliteDatabase,
  table: TableShape<Row>,
  name: string,
  whole: Writer<Row>,
): (row: Row, before: Row | undefined) => Writer<Row> {
  const { often, sometimes, columns } = table;
  if (often.length === 0) return () => whole;
  const narrow = updateOf(db, table, name, often);
  const wide = updateOf(db, table, name, [...often, ...sometimes]);
  const seldom = columns.filter((column) => !often.includes(column) && !sometimes.includes(column));
  return (row, before) => {
    if (before === undefined || differ(row, before, seldom)) return whole;
    return differ(row, before, sometimes) ? wide : narrow;
  };
}

export function rowStore<Row extends object>(
  db: SqliteDatabase,
  table: TableShape<Row>,
  lane: Lane,
): RowStore<Row> {
  const name = tableName(table.name, lane);
  const where = table.key.map((column) => `"${column}" = ?`).join(" and ");
  const select = db.prepare(
    `select ${table.columns.map(quoted).join()} from ${name} where ${where}`,
  );
  const any = db.prepare(`select 1 from ${name} limit 1`);
  const clear = db.prepare(`delete from ${name}`);
  const whole = upsertOf(db, table, name);
  const choose = chooser(db, table, name, whole);
  return {
    read: (key) => select.get(...key) as Row | undefined,
    write: (row, before) => {
      const writer = choose(row, before);
      for (const column of table.json) writeJson(row, column);
      // Retention may have removed the row since it was read.
      if (!run(writer, row)) run(whole, row);
    },
    isEmpty: () => any.get() === undefined,
    clear: () => void clear.run(),
  };
}

function writeJson<Row>(row: Row, column: Column<Row>): void {
  const value: unknown = row[column];
  if (typeof value !== "object" || value === null) return;
  row[column] = JSON.stringify(value) as Row[Column<Row>];
}
