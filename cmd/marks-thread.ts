/** The thread beside the projector that keeps marks: copying and packing would hold up the fold. */
import { parentPort, workerData } from "node:worker_threads";
import { mkdirSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { dirname, join } from "node:path";
import { connectNats } from "../lib/nats/connect.ts";
import { startMarkKeeper } from "../lib/operator/mark-keeper.ts";
import { takeExclusiveLock } from "../lib/store/exclusive-lock.ts";
import { openMarkStore } from "../lib/store/mark-store.ts";
import { projections } from "../projections/index.ts";
import { createLog } from "./log.ts";
import type { NatsThreadData } from "./nats-thread-data.ts";
import { untilAborted } from "./side-thread.ts";
import { stepBack } from "./step-back.ts";

/** What the projector hands over: plain data, since it is another thread's. */
export interface MarksThreadData extends NatsThreadData {
  readonly databaseFile: string;
  readonly marksFile: string;
  readonly maxBytes: number;
}

const data = workerData as MarksThreadData;
const log = createLog(data.logLevel, "marks");
/** Of several projectors on one data folder, one keeps the marks. */
const LOCK_AGAIN_MS = 5_000;
const dir = dirname(data.marksFile);
const ending = new AbortController();
parentPort?.once("message", () => ending.abort());
// Marks only save work.
stepBack();

await run().catch((error: unknown) => {
  if (!ending.signal.aborted) throw error;
});

async function run(): Promise<void> {
  const lock = await takeLock();
  const nc = await connectNats({
    ...data.connect,
    log,
    waitOnFirstConnect: true,
    signal: ending.signal,
  });
  const marks = openMarkStore(data.marksFile, data.maxBytes);
  const workDir = join(dir, "marks-work");
  mkdirSync(workDir, { recursive: true });
  const { prefixes, databaseFile } = data;
  const keeper = await startMarkKeeper({
    nc,
    prefixes,
    projections,
    databaseFile,
    marks,
    workDir,
    log,
  });

  await untilAborted(ending.signal);
  await keeper.close();
  marks.close();
  rmSync(workDir, { recursive: true, force: true });
  await nc.close();
  lock.release();
}

async function takeLock(): Promise<{ release: () => void }> {
  for (;;) {
    const lock = takeExclusiveLock(join(dir, "marks.lock"));
    if (lock !== undefined) return lock;
    await delay(LOCK_AGAIN_MS, undefined, { signal: ending.signal });
  }
}
