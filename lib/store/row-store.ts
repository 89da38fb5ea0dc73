import type { SqliteDatabase } from "./open.ts";
import { tableName } from "./tables.ts";
import type { Lane, TableShape } from "./tables.ts";

/** Values of a row's key columns, in the table's order. */
export type KeyValues = readonly (string | number)[];

/** Reads and writes one table's rows by key, with statements prepared once. */
export interface RowStore<Row> {
  read(key: KeyValues): Row | undefined;
  /** Inserts or replaces. JSON columns that still hold objects are written as text, in place. */
  write(row: Row): void;
  isEmpty(): boolean;
  clear(): void;
}

function upsertSql<Row>(table: TableShape<Row>, name: string): string {
  const columns = table.columns.map((column) => `"${column}"`).join(", ");
  const values = table.columns.map((column) => `@${column}`).join(", ");
  const updates = table.columns
    .filter((column) => !table.key.includes(column))
    .map((column) => `"${column}" = excluded."${column}"`)
    .join(", ");
  const keys = table.key.map((column) => `"${column}"`).join(", ");
  return `insert into ${name} (${columns}) values (${values}) on conflict (${keys}) do update set ${updates}`;
}

export function rowStore<Row extends object>(
  db: SqliteDatabase,
  table: TableShape<Row>,
  lane: Lane,
): RowStore<Row> {
  const name = tableName(table.name, lane);
  const where = table.key.map((column) => `"${column}" = ?`).join(" and ");
  const columns = table.columns.map((column) => `"${column}"`).join(", ");
  const select = db.prepare(`select ${columns} from ${name} where ${where}`);
  const upsert = db.prepare(upsertSql(table, name));
  const any = db.prepare(`select 1 from ${name} limit 1`);
  const clear = db.prepare(`delete from ${name}`);
  return {
    read: (key) => select.get(...key) as Row | undefined,
    write: (row) => {
      for (const column of table.json) writeJson(row, column);
      upsert.run(row);
    },
    isEmpty: () => any.get() === undefined,
    clear: () => void clear.run(),
  };
}

function writeJson<Row>(row: Row, column: keyof Row & string): void {
  const value: unknown = row[column];
  if (typeof value !== "object" || value === null) return;
  row[column] = JSON.stringify(value) as Row[keyof Row & string];
}
