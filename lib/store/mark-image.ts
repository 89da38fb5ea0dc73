/** The status tables as one packed image, and back: no row is looked at, so it takes little time. */
import { closeSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { constants, deflateRaw, deflateRawSync, inflateRaw } from "node:zlib";
import { emptyTables, openImage } from "./open.ts";
import type { SqliteDatabase } from "./open.ts";
import { Database } from "./sqlite.ts";
import type { MarkPosition } from "./mark-store.ts";
import type { CheckpointRow, TableShape } from "./tables.ts";

/** Packing more takes longer than reading less. */
const LEVEL = 1;
const PIECE_BYTES = 1024 * 1024;
const unpack = promisify(inflateRaw);
const pack = promisify(deflateRaw);

/** What of a projection goes into a mark. */
export interface MarkedTable {
  readonly name: string;
  readonly version: number;
  // eslint-disable-next-line typescript/no-explicit-any
  readonly table: TableShape<any>;
}

/**
 * A database file for work that is thrown away: nothing in it is made safe.
 * @param image what it begins with; every table, empty, unless given.
 */
export async function openWorkFile(file: string, image?: Buffer): Promise<SqliteDatabase> {
  writeFileSync(file, image ?? (await emptyTables()));
  const db = new Database(file);
  db.pragma("journal_mode = MEMORY");
  db.pragma("synchronous = OFF");
  return db;
}

export function removeWorkFile(file: string): void {
  rmSync(file, { force: true });
}

/**
 * Copies the status tables and their checkpoints from the live database, all of one moment.
 * @param file where the copy is put, and left.
 * @returns how far it is folded; undefined while not every projection has been.
 */
export async function copyLive(
  liveFile: string,
  file: string,
  tables: readonly MarkedTable[],
): Promise<readonly MarkPosition[] | undefined> {
  const db = await openWorkFile(file);
  try {
    db.prepare("attach ? as live").run(liveFile);
    db.transaction(() => {
      for (const { name, version, table } of tables) {
        const columns = table.columns.map((column) => `"${column}"`).join(", ");
        db.exec(`insert into main.${table.name} (${columns})
          select ${columns} from live.${table.name}`);
        db.prepare(
          `insert into main.checkpoint select * from live.checkpoint
            where projection = ? and version = ? and lane = 'main'`,
        ).run(name, version);
      }
    })();
    return positionsIn(db, tables, "live");
  } finally {
    db.close();
  }
}

/** How far the tables of a database are folded; undefined while not each of them has been. */
export function positionsIn(
  db: SqliteDatabase,
  tables: readonly MarkedTable[],
  from: "live" | "folded",
): readonly MarkPosition[] | undefined {
  const read = db.prepare(
    "select * from main.checkpoint where projection = ? and version = ? and lane = 'main'",
  );
  const rows = tables.map(({ name, version }) => read.get(name, version));
  if (rows.includes(undefined)) return undefined;
  return (rows as CheckpointRow[]).map((row) => ({
    projection: row.projection,
    version: row.version,
    stream: row.stream,
    created: row.stream_created,
    seq: row.seq,
    time: row.time,
    generation: from === "live" ? row.generation : null,
  }));
}

/**
 * Packs a file piece by piece: the tables of a large fleet need not be in memory. It is done by the
 * thread that asks: that one gives way to all others, those of the library would not.
 */
export function packFile(file: string): Buffer {
  const handle = openSync(file, "r");
  try {
    const pieces: Buffer[] = [];
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (let size = readSync(handle, piece); size > 0; size = readSync(handle, piece)) {
      const options = { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH };
      pieces.push(deflateRawSync(piece.subarray(0, size), options));
    }
    pieces.push(deflateRawSync(Buffer.alloc(0)));
    return Buffer.concat(pieces);
  } finally {
    closeSync(handle);
  }
}

/** The same of a database in memory. */
export async function packTables(db: SqliteDatabase): Promise<Buffer> {
  return await pack(db.serialize(), { level: LEVEL });
}

/** The bytes of the database that was packed. */
export async function unpackTables(packed: Buffer): Promise<Buffer> {
  return await unpack(packed);
}

/** @returns a database in memory with the tables of a mark. */
export async function openPacked(packed: Buffer): Promise<SqliteDatabase> {
  return openImage(await unpack(packed));
}
