/** The thread beside the projector that moves the write-ahead log: the fold does not wait for the disk. */
import { closeSync, fdatasyncSync, openSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { openWalMover } from "../lib/store/wal-mover.ts";

/** What the projector hands over: plain data, since it is another thread's. */
export interface WalThreadData {
  readonly databaseFile: string;
}

const MOVE_EVERY_MS = 1_000;
/**
 * A move begins by writing the log to the disk, and commits wait meanwhile: where much is written,
 * that is done in small pieces before.
 */
const SYNC_EVERY_MS = 50;
/** Less than this between two moves is no matter, and cards wear out. */
const MUCH_PAGES = 1_000;

const { databaseFile } = workerData as WalThreadData;
const mover = openWalMover(databaseFile);
const log = openSync(`${databaseFile}-wal`, "r");
const syncing = setInterval(() => {
  if (mover.written >= MUCH_PAGES) fdatasyncSync(log);
}, SYNC_EVERY_MS);
const timer = setInterval(() => {
  if (mover.move()) parentPort?.postMessage("end moving", []);
}, MOVE_EVERY_MS);
parentPort?.once("message", () => {
  clearInterval(timer);
  clearInterval(syncing);
  closeSync(log);
  mover.close();
});
