/** Folds a recording with the present folds, without a server, into the rows of every table. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { headers } from "@nats-io/transport-node";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import type { StreamMessage } from "../../lib/nats/ordered-reader.ts";
import type { ExportedMessage } from "../../lib/operator/export-format.ts";
import { messagesOf } from "../../lib/operator/export-reader.ts";
import { decoderOf } from "../../lib/projector/decode.ts";
import { Fold } from "../../lib/projector/fold.ts";
import { checkpointStore } from "../../lib/store/checkpoint.ts";
import { openDatabase } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { projections } from "../../projections/index.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";

/** Rows of each table, in the order of its key. */
export type Tables = Readonly<Record<string, readonly object[]>>;

export async function foldRecording(file: string): Promise<Tables> {
  const messages: ExportedMessage[] = [];
  for await (const some of messagesOf(file)) messages.push(...some);
  const dir = mkdtempSync(join(tmpdir(), "runbeat-recorded-"));
  try {
    const db = await openDatabase(join(dir, "runbeat.db"));
    for (const projection of projections) foldOne(db, projection, messages);
    const tables = Object.fromEntries(
      projections.map(({ table }) => [table.name, rowsOf(db, table)]),
    );
    db.close();
    return tables;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function foldOne(
  db: SqliteDatabase,
  projection: AnyProjection,
  messages: readonly ExportedMessage[],
): void {
  const stream = projection.stream as FoldedStream;
  const checkpoints = checkpointStore(db);
  const start = { stream, streamCreated: "", seq: 0, time: 0 };
  const { name, version } = projection;
  checkpoints.reset({ projection: name, version, partition: 0, lane: "main" }, start, null);
  const fold = new Fold(db, projection, "main", start);
  const decode = decoderOf(stream, DEFAULT_PREFIXES);
  for (const message of messages.filter((one) => one.stream === stream)) {
    fold.take(decode(delivered(message)), message.seq, message.timeMs);
  }
  if (fold.stopped !== undefined) throw new Error(`${name} stopped: ${fold.stopped.error}`);
  db.transaction(() => fold.write(checkpoints)).immediate();
  fold.settle();
}

function delivered({ subject, data, seq, timeMs, headers: pairs }: ExportedMessage): StreamMessage {
  const head = headers();
  for (const [name, value] of pairs) head.append(name, value);
  return { subject, data, seq, timeMs, pending: 0, headers: head };
}

function rowsOf(db: SqliteDatabase, table: AnyProjection["table"]): object[] {
  const columns = table.columns.map((column) => `"${column}"`).join(", ");
  const order = table.key.map((column) => `"${column}"`).join(", ");
  const rows = db.prepare(`select ${columns} from ${table.name} order by ${order}`).all();
  return (rows as Record<string, unknown>[]).map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)])),
  );
}

function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}
