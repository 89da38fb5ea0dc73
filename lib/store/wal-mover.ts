/**
 * Moves the write-ahead log into the database file beside the one who writes. SQLite's own way is
 * that the writer does it within a commit, which then waits for the disk: tens of milliseconds, once
 * or more a second under load. Source: sqlite.org/wal.html, "Checkpointing".
 */
import { openForMoving } from "./open.ts";
import type { SqliteDatabase } from "./open.ts";

/** Pages of 4 KiB that may lie in the log before it is begun anew: 32 MiB. */
const LONG_LOG_PAGES = 8_000;
/** With fewer pages left the writer ends the work itself, between two commits. */
const FEW_PAGES = 500;
/** Each round leaves what was written meanwhile, which is less than the round before left. */
const MAX_ROUNDS = 4;

interface Moved {
  /** Of the log when the move began. */
  readonly pages: number;
  /** Of these, those that lie in the database file now: a reader may need the rest as it was. */
  readonly moved: number;
}

function moveOnce(db: SqliteDatabase): Moved {
  const [row] = db.pragma("wal_checkpoint(PASSIVE)") as { log: number; checkpointed: number }[];
  // Both are -1 where there is no log.
  return { pages: Math.max(0, row?.log ?? 0), moved: Math.max(0, row?.checkpointed ?? 0) };
}

export interface WalMover {
  /** Pages that were written between the last two moves, about. */
  readonly written: number;
  /**
   * Moves what lies in the log, holding up neither readers nor the writer.
   * @returns whether the log is long and nearly all of it moved: time for {@link endMoving}.
   */
  move(): boolean;
  close(): void;
}

/** @throws AppError `unavailable` when the database can't be opened. */
export function openWalMover(file: string, longLogPages = LONG_LOG_PAGES): WalMover {
  const db = openForMoving(file);
  let [written, last] = [0, 0];
  return {
    get written() {
      return written;
    },
    move: () => {
      let { pages, moved } = moveOnce(db);
      // One that is shorter than before was begun anew.
      written = pages < last ? pages : pages - last;
      last = pages;
      for (let round = 1; round < MAX_ROUNDS && pages >= longLogPages; round++) {
        const before = moved;
        ({ pages, moved } = moveOnce(db));
        if (pages - before <= FEW_PAGES) return pages - moved <= FEW_PAGES;
      }
      return false;
    },
    close: () => void db.close(),
  };
}

/**
 * Moves the last few pages on the writer's own connection: while nothing more is written, the next
 * commit finds an empty log and begins it anew. Without that it would grow for as long as somebody
 * writes all the time.
 */
export function endMoving(writer: SqliteDatabase): void {
  if (!writer.inTransaction) moveOnce(writer);
}
