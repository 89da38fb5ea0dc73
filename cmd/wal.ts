/** The thread that moves the projector's write-ahead log. */
import { Worker } from "node:worker_threads";
import { messageOf } from "../lib/core/errors.ts";
import { leaveLogToMover, moveLogInCommits } from "../lib/store/open.ts";
import type { SqliteDatabase } from "../lib/store/open.ts";
import { endMoving } from "../lib/store/wal-mover.ts";
import type { Context } from "./context.ts";
import type { WalThreadData } from "./wal-thread.ts";

/** Starts it for the writer's connection. Where it fails, the writer does its work within commits. */
export function startWalThread(
  { paths, log }: Context,
  db: SqliteDatabase,
): { close: () => Promise<void> } {
  const data: WalThreadData = { databaseFile: paths.databaseFile };
  const worker = new Worker(new URL("./wal-thread.js", import.meta.url), { workerData: data });
  leaveLogToMover(db);
  worker.on("message", () => endMoving(db));
  worker.on("error", (error) => {
    log.warn(`the write-ahead log is moved within commits: ${messageOf(error)}`);
  });
  const exited = new Promise<void>((resolve) =>
    worker.once("exit", () => {
      if (db.open) moveLogInCommits(db);
      resolve();
    }),
  );
  return {
    close: async () => {
      worker.postMessage("close", []);
      await exited;
    },
  };
}
