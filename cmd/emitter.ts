/** The thread that judges for quarantine and snapshots. */
import { hostname } from "node:os";
import { Worker } from "node:worker_threads";
import { stateBucket } from "../lib/nats/stream-declarations.ts";
import type { Context } from "./context.ts";
import type { EmitterThreadData } from "./emitter-thread.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

/** Its work can be gone on with by any other: who ends the projector does not wait for ever. */
const CLOSE_MS = 10_000;

export interface EmitterThread {
  /** Rejects where it fails; what it can wait for, it waits for. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** Starts the thread. */
export function startEmitterThread(context: Context): EmitterThread {
  const { settings } = context;
  const { log: _, ...connect } = natsOptions(context, "runbeat projector judging");
  const prefixes = prefixesOf(settings);
  const data: EmitterThreadData = {
    connect,
    logLevel: settings.logLevel,
    emitter: {
      prefixes,
      bucket: stateBucket(prefixes),
      holder: `${hostname()}:${process.pid}`,
      everySec: settings.heartbeat.logEverySec,
    },
  };
  const worker = new Worker(new URL("./emitter-thread.js", import.meta.url), { workerData: data });
  const failed = new Promise<never>((_resolve, reject) => worker.once("error", reject));
  // Whoever waits for it hears of it; nobody does while the projector closes.
  failed.catch(() => undefined);
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  return {
    failed,
    close: async () => {
      worker.postMessage("close", []);
      const timer = setTimeout(() => void worker.terminate(), CLOSE_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}
