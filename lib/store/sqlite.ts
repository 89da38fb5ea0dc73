/**
 * SQLite, in the release that fits this Node. From Node 24.19 on, better-sqlite3 12 ends the process
 * when a statement is collected as garbage ("Assertion failed: (env) != nullptr"); 13 is free of that
 * but needs Node 22.
 */
import { createRequire } from "node:module";
import type BetterSqlite3 from "better-sqlite3";

const FIRST_NODE_FOR_13 = 22;

export type SqliteDatabase = BetterSqlite3.Database;

/** The class of better-sqlite3, with `SqliteError`. */
export const Database: typeof BetterSqlite3 = loadDatabase();

function loadDatabase(): typeof BetterSqlite3 {
  const require = createRequire(import.meta.url);
  const major = Number.parseInt(process.versions.node, 10);
  if (major < FIRST_NODE_FOR_13) return require("better-sqlite3") as typeof BetterSqlite3;
  try {
    return require("better-sqlite3-13") as typeof BetterSqlite3;
  } catch (error) {
    // Left out by `npm ci --omit=optional`.
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    return require("better-sqlite3") as typeof BetterSqlite3;
  }
}
