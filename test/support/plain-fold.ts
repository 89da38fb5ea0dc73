/**
 * The slow way to a state: every message from the stream's first on, in plain maps, with nothing
 * of the engine but the decoders and the folds. What is fast is held against it.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { DEFAULT_PREFIXES, streamName } from "../../lib/core/subject.ts";
import { readToEnd } from "../../lib/nats/read-to-end.ts";
import { decoderOf } from "../../lib/projector/decode.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";

type Row = Record<string, unknown>;

/** Rows by table, each table's in the order of its key. */
export type PlainTables = Record<string, Row[]>;

/** @param at only messages that were stored at or before this time, epoch ms. */
export async function plainFold(
  nc: NatsConnection,
  jsm: JetStreamManager,
  projections: readonly AnyProjection[],
  at: number,
): Promise<PlainTables> {
  const tables: PlainTables = {};
  for (const projection of projections) {
    const stream = projection.stream as FoldedStream;
    const decode = decoderOf(stream, DEFAULT_PREFIXES);
    const rows = new Map<string, Row>();
    await readToEnd({
      nc,
      jsm,
      stream: streamName(DEFAULT_PREFIXES, stream),
      start: { fromSeq: 1 },
      onMessage: (message) => {
        const decoded = message.timeMs <= at ? decode(message) : undefined;
        const key = decoded === undefined ? undefined : projection.key(decoded);
        if (decoded === undefined || key === undefined) return;
        const row = projection.evolve(rows.get(key), decoded) as Row | undefined;
        if (row !== undefined) rows.set(key, row);
      },
    });
    tables[projection.table.name] = sorted(projection, [...rows.values()].map(plainRow));
  }
  return tables;
}

/** The same of a database. */
export function tablesOf(db: SqliteDatabase, projections: readonly AnyProjection[]): PlainTables {
  const tables: PlainTables = {};
  for (const projection of projections) {
    const { name, columns } = projection.table;
    const list = columns.map((column: string) => `"${column}"`).join();
    const rows = db.prepare(`select ${list} from "${name}"`).all() as Row[];
    tables[name] = sorted(projection, rows);
  }
  return tables;
}

/** As a database keeps it. */
export function plainRow(row: Row): Row {
  const entries = Object.entries(row).map(([column, value]) => [
    column,
    typeof value === "object" && value !== null ? JSON.stringify(value) : value,
  ]);
  return Object.fromEntries(entries) as Row;
}

function sorted(projection: AnyProjection, rows: Row[]): Row[] {
  const nameOf = (row: Row) =>
    projection.table.key.map((column: string) => String(row[column]).padStart(16, "0")).join("|");
  return rows.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}
