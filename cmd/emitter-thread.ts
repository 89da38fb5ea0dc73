/** The thread beside the projector that judges what came in: it reads as much as the fold does. */
import { parentPort, workerData } from "node:worker_threads";
import type { NatsConnection } from "@nats-io/transport-node";
import type { ConnectOptions } from "../lib/nats/connect.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { startEmitter } from "../lib/projector/emitter.ts";
import type { EmitterOptions } from "../lib/projector/emitter.ts";
import { createLog } from "./log.ts";
import { untilAborted } from "./side-thread.ts";
import { whenAvailable } from "./when-available.ts";

/** What the projector hands over: plain data, since it is another thread's. */
export interface EmitterThreadData {
  readonly connect: Omit<ConnectOptions, "log">;
  readonly logLevel: Parameters<typeof createLog>[0];
  readonly emitter: Omit<EmitterOptions, "nc" | "readingNc" | "log">;
}

const data = workerData as EmitterThreadData;
const log = createLog(data.logLevel, "projector");
const ending = new AbortController();
parentPort?.once("message", () => ending.abort());

await run().catch((error: unknown) => {
  if (!ending.signal.aborted) throw error;
});

async function run(): Promise<void> {
  const { signal } = ending;
  const opened: (() => Promise<unknown>)[] = [];
  const connect = async (what: string): Promise<NatsConnection> => {
    const name = `${data.connect.name} ${what}`;
    const options = { ...data.connect, name, log, waitOnFirstConnect: true, signal };
    const nc = await connectNats(options);
    opened.push(() => nc.close());
    return nc;
  };
  try {
    // What comes in fills a connection: what waits for answers needs one of its own.
    const nc = await connect("asking");
    const readingNc = await connect("reading");
    const options = { ...data.emitter, nc, readingNc, log };
    const emitter = await whenAvailable(() => startEmitter(options), { log, signal });
    opened.push(() => emitter.stop());
    await untilAborted(signal);
  } finally {
    for (const close of opened.toReversed()) await close();
  }
}
