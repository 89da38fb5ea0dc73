/** Tells the readers of the database that a projector is there, also while nothing arrives. */
import { hostname } from "node:os";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import type { SqliteDatabase } from "../store/open.ts";
import { writeStanding } from "../store/standing.ts";

const EVERY_MS = 2_000;

/** Writes at once, and every two seconds until it is stopped. */
export function startSignOfLife(
  db: SqliteDatabase,
  log: Logger,
  outdated: () => readonly string[],
): { stop(): void } {
  const sign = () => {
    try {
      const data = { pid: process.pid, host: hostname(), outdated: outdated() };
      writeStanding(db, "projector", data);
    } catch (error) {
      log.debug(`the sign of life could not be written: ${messageOf(error)}`);
    }
  };
  sign();
  const timer = setInterval(sign, EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
