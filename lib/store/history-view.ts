/** Tables of history as they were: the live ones, looked at up to a sequence, without a copy. */
import { existsSync } from "node:fs";
import type { SqliteDatabase } from "./open.ts";
import type { TableShape } from "./tables.ts";

/** How far the history of one stream is to be seen. */
export interface HistoryLimit {
  readonly projection: string;
  readonly version: number;
  // eslint-disable-next-line typescript/no-explicit-any
  readonly table: TableShape<any>;
  /** The stream's creation, as the server writes it. */
  readonly created: string;
  readonly seq: number;
  /** Epoch ms; what became of a row later is not seen. */
  readonly at: number;
}

/** Makes the live database readable beside one in memory. False where there is none. */
export function attachLive(db: SqliteDatabase, file: string | undefined): boolean {
  if (file === undefined || !existsSync(file)) return false;
  db.prepare("attach ? as live").run(file);
  return true;
}

/** Whether the live rows follow from that stream and reach that far. */
export function liveReaches(db: SqliteDatabase, limit: HistoryLimit): boolean {
  const { projection, version, created, seq } = limit;
  const row = db
    .prepare(
      `select seq from live.checkpoint where projection = ? and version = ? and lane = 'main'
        and stream_created = ?`,
    )
    .pluck()
    .get(projection, version, created) as number | undefined;
  return row !== undefined && row >= seq;
}

/** Of a row that was resolved later nothing is to be seen but that it was open. */
const UNRESOLVED: Readonly<Record<string, string>> = {
  state: "'open'",
  resolved_by: "null",
  resolved_at: "null",
};

/** From now on the table's name stands for the live rows up to the limit. */
export function showHistory(db: SqliteDatabase, { table, seq, at }: HistoryLimit): void {
  const columns = table.columns.map((column) => {
    const before = table.columns.includes("resolved_at") ? UNRESOLVED[column] : undefined;
    if (before === undefined) return `"${column}"`;
    return `case when resolved_at > ${at} then ${before} else "${column}" end as "${column}"`;
  });
  db.exec(`create temp view "${table.name}" as select ${columns.join(", ")}
    from live."${table.name}" where stream_seq <= ${seq}`);
}
