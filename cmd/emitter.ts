/** The thread that judges for quarantine and snapshots. */
import { hostname } from "node:os";
import { stateBucket } from "../lib/nats/stream-declarations.ts";
import type { Context } from "./context.ts";
import type { EmitterThreadData } from "./emitter-thread.ts";
import { natsOptions } from "./nats-options.ts";
import { startSideThread } from "./side-thread.ts";
import type { SideThread } from "./side-thread.ts";
import { prefixesOf } from "./stream-options.ts";

/** Its work can be gone on with by any other: who ends the projector does not wait for ever. */
const CLOSE_MS = 10_000;

export interface EmitterThread extends Pick<SideThread, "close"> {
  /** Rejects where it fails; what it can wait for, it waits for. */
  readonly failed: Promise<never>;
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
  const file = new URL("./emitter-thread.js", import.meta.url);
  const { worker, close } = startSideThread(file, data, CLOSE_MS);
  const failed = new Promise<never>((_resolve, reject) => worker.once("error", reject));
  // Whoever waits for it hears of it; nobody does while the projector closes.
  failed.catch(() => undefined);
  return { failed, close };
}
