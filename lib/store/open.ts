import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { Kysely, Migrator, SqliteDialect } from "kysely";
import { migrations } from "../../migrations/index.ts";
import { AppError, messageOf } from "../core/errors.ts";
import { Database } from "./sqlite.ts";
import type { SqliteDatabase } from "./sqlite.ts";

export type { SqliteDatabase } from "./sqlite.ts";

/** How long a statement waits for another process's transaction. */
const BUSY_TIMEOUT_MS = 5_000;
/** Pages of 4 KiB after which the writer moves the write-ahead log into the database file. */
const AUTOCHECKPOINT_PAGES = 4_000;
/** As many where somebody else should have moved them long ago. */
const FORGOTTEN_LOG_PAGES = 64_000;
/** The write-ahead log is cut back to this size once readers let it go. */
const WAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024;

function failure(file: string, error: unknown): AppError {
  return new AppError(
    "unavailable",
    `The database ${file} can't be opened: ${messageOf(error)}. Check that its folder exists and ` +
      "may be written; a damaged file may be deleted, it is rebuilt from the streams",
    { cause: error },
  );
}

/**
 * Opens the database for writing, creating the file, and brings its tables up to date.
 * @throws AppError `unavailable` when it can't be opened or migrated.
 */
export async function openDatabase(file: string): Promise<SqliteDatabase> {
  let db: SqliteDatabase | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    db = new Database(file, { timeout: BUSY_TIMEOUT_MS });
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = NORMAL");
    moveLogInCommits(db);
    db.pragma(`journal_size_limit = ${WAL_SIZE_LIMIT_BYTES}`);
    await migrate(db);
    return db;
  } catch (error) {
    db?.close();
    throw error instanceof AppError ? error : failure(file, error);
  }
}

/**
 * Opens an existing database for moving its write-ahead log, and for nothing else.
 * @throws AppError `unavailable`.
 */
export function openForMoving(file: string): SqliteDatabase {
  try {
    const db = new Database(file, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
    db.pragma("synchronous = NORMAL");
    return db;
  } catch (error) {
    throw failure(file, error);
  }
}

/**
 * Leaves the write-ahead log to somebody who moves it beside the writer; only where it becomes much
 * longer than that one lets it, the writer moves it all the same.
 */
export function leaveLogToMover(db: SqliteDatabase): void {
  db.pragma(`wal_autocheckpoint = ${FORGOTTEN_LOG_PAGES}`);
}

/** The writer moves the log itself. */
export function moveLogInCommits(db: SqliteDatabase): void {
  db.pragma(`wal_autocheckpoint = ${AUTOCHECKPOINT_PAGES}`);
}

/** Every table, empty: made once a process, because migrating takes longer than copying. */
let emptyImage: Promise<Buffer> | undefined;

async function makeEmptyImage(): Promise<Buffer> {
  const db = new Database(":memory:");
  try {
    await migrate(db);
    return db.serialize();
  } finally {
    db.close();
  }
}

/** The bytes of a database with every table, all of them empty. */
export async function emptyTables(): Promise<Buffer> {
  emptyImage ??= makeEmptyImage();
  return await emptyImage;
}

/** A database in memory with every table, all of them empty. */
export async function openInMemory(): Promise<SqliteDatabase> {
  return openImage(await emptyTables());
}

/** A database in memory with what `serialize` gave of another. */
export function openImage(image: Buffer): SqliteDatabase {
  return new Database(image, { timeout: BUSY_TIMEOUT_MS });
}

/** Opens an existing database for reading only. @throws AppError `unavailable`. */
export function openReadOnly(file: string): SqliteDatabase {
  try {
    return new Database(file, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  } catch (error) {
    throw failure(file, error);
  }
}

/** Runs the migrations that the database has not seen; forward only. */
async function migrate(db: SqliteDatabase): Promise<void> {
  // Kysely closes what it is given; the connection is ours and stays open.
  const dialect = new SqliteDialect({ database: unclosable(db) });
  const kysely = new Kysely<unknown>({ dialect });
  const migrator = new Migrator({
    db: kysely,
    provider: { getMigrations: () => Promise.resolve(migrations) },
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    throw new AppError(
      "internal",
      `The database's tables could not be brought up to date: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function unclosable(db: SqliteDatabase): SqliteDatabase {
  return new Proxy(db, {
    get(target, name) {
      if (name === "close") return () => undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
