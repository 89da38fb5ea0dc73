/** A lock that dies with its holder, however it dies: SQLite's own, on a file made for it. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { AppError, messageOf } from "../core/errors.ts";
import { Database } from "./sqlite.ts";
import type { SqliteDatabase } from "./sqlite.ts";

export interface ExclusiveLock {
  release(): void;
}

/** Kept from the garbage collector, which would close the file and so give the lock away. */
const heldLocks = new Set<SqliteDatabase>();

/**
 * Takes the lock; undefined while another process holds it.
 * @throws AppError `unavailable` when the file can't be made.
 */
export function takeExclusiveLock(file: string): ExclusiveLock | undefined {
  let db: SqliteDatabase | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    db = new Database(file, { timeout: 0 });
    // No journal file beside it, and the lock of the file itself from the first statement on.
    db.pragma("journal_mode = MEMORY");
    db.exec("begin exclusive");
  } catch (error) {
    db?.close();
    if (isBusy(error)) return undefined;
    throw new AppError(
      "unavailable",
      `The lock ${file} can't be taken (${messageOf(error)}): check that its folder may be written`,
      { cause: error },
    );
  }
  const held = db;
  heldLocks.add(held);
  return {
    release: () => {
      heldLocks.delete(held);
      held.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
}
