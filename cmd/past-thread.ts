/** The thread beside the API that folds the status tables of past moments. */
import { parentPort, workerData } from "node:worker_threads";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { ErrorCode } from "../lib/core/errors.ts";
import { foldLocated } from "../lib/operator/state-at.ts";
import type { LocatedMoment } from "../lib/operator/state-at.ts";
import { projections } from "../projections/index.ts";
import { lazyConnection } from "./lazy-connection.ts";
import { createLog } from "./log.ts";
import { openMarksFile } from "./marks.ts";
import type { NatsThreadData } from "./nats-thread-data.ts";

/** What the API hands over: plain data, since it is another thread's. */
export interface PastThreadData extends NatsThreadData {
  readonly marksFile: string;
  /** 0: there are none. */
  readonly maxMarkBytes: number;
}

/** What is asked of it, until it is told to end. */
export interface PastAsked {
  readonly id: number;
  readonly moment: LocatedMoment;
}

/** An answer: the database's bytes, or why there are none. */
export type PastFolded =
  | { readonly id: number; readonly image: Uint8Array }
  | { readonly id: number; readonly code: ErrorCode; readonly message: string };

const data = workerData as PastThreadData;
const log = createLog(data.logLevel, "past");
const connection = lazyConnection({ ...data.connect, log });
const marks = openMarksFile(data.marksFile, data.maxMarkBytes, log);
const ending = new AbortController();

parentPort?.on("message", (asked: PastAsked | "close") => {
  if (asked === "close") void end();
  else void answer(asked);
});

async function answer({ id, moment }: PastAsked): Promise<void> {
  parentPort?.postMessage(await folded(id, moment), []);
}

async function folded(id: number, moment: LocatedMoment): Promise<PastFolded> {
  const { prefixes } = data;
  const { signal } = ending;
  try {
    const nc = await connection.get();
    const db = await foldLocated({ nc, prefixes, projections, marks, signal }, moment);
    try {
      return { id, image: db.serialize() };
    } finally {
      db.close();
    }
  } catch (error) {
    const code = error instanceof AppError ? error.code : "internal";
    return { id, code, message: messageOf(error) };
  }
}

async function end(): Promise<void> {
  ending.abort();
  parentPort?.removeAllListeners("message");
  await connection.close();
  marks?.close();
}
