/** The thread that moves the projector's write-ahead log. */
import { messageOf } from "../lib/core/errors.ts";
import { leaveLogToMover, moveLogInCommits } from "../lib/store/open.ts";
import type { SqliteDatabase } from "../lib/store/open.ts";
import { endMoving } from "../lib/store/wal-mover.ts";
import type { Context } from "./context.ts";
import { startSideThread } from "./side-thread.ts";
import type { SideThread } from "./side-thread.ts";
import type { WalThreadData } from "./wal-thread.ts";

/** A disk that stands still must not keep the projector from ending. */
const CLOSE_MS = 5_000;

/** Starts it for the writer's connection. Where it fails, the writer does its work within commits. */
export function startWalThread(
  { paths, log }: Context,
  db: SqliteDatabase,
): Pick<SideThread, "close"> {
  const data: WalThreadData = { databaseFile: paths.databaseFile };
  const file = new URL("./wal-thread.js", import.meta.url);
  const { worker, exited, close } = startSideThread(file, data, CLOSE_MS);
  leaveLogToMover(db);
  worker.on("message", () => endMoving(db));
  worker.on("error", (error) => {
    log.warn(`the write-ahead log is moved within commits: ${messageOf(error)}`);
  });
  void exited.then(() => {
    if (db.open) moveLogInCommits(db);
  });
  return { close };
}
