/** NATS for `runbeat up`: the configured one, or a server of our own that is kept running. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../lib/core/errors.ts";
import { streamName } from "../lib/core/subject.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openJetStream } from "../lib/nats/jetstream.ts";
import { startEmbeddedServer } from "../lib/nats/server/run.ts";
import type { EmbeddedServer } from "../lib/nats/server/run.ts";
import { diskOf } from "../lib/nats/server/store-folder.ts";
import { reconcileStreams } from "../lib/nats/streams.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { findNatsServer } from "./programs.ts";
import { prefixesOf, streamOptions } from "./stream-options.ts";

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

export interface UpNats {
  readonly url: string;
  /** For people: which server it is. */
  readonly about: string;
  readonly isEmbedded: boolean;
  stop(): Promise<void>;
}

/** @throws AppError as {@link startEmbeddedServer} or the search for its program. */
export async function startNats(context: Context, signal: AbortSignal): Promise<UpNats> {
  const { url } = context.settings.nats;
  if (url !== null) {
    const about = "as configured";
    return { url, about, isEmbedded: false, stop: async () => {} };
  }
  const program = await findNatsServer(context, signal);
  const start = async (port: number, until: AbortSignal): Promise<EmbeddedServer> =>
    await startEmbeddedServer({
      binary: program.path,
      port,
      storeDir: context.paths.natsDir,
      logFile: join(context.paths.logsDir, "nats-server.log"),
      log: context.log,
      signal: until,
    });
  const server = await start(context.settings.nats.port, signal);
  return {
    url: server.url,
    about: `nats-server ${server.version}, our own`,
    isEmbedded: true,
    stop: keepServer(context, server, start),
  };
}

/** Starts the server again on its port whenever it ends. @returns what stops it for good. */
function keepServer(
  { log }: Context,
  first: EmbeddedServer,
  start: (port: number, until: AbortSignal) => Promise<EmbeddedServer>,
): () => Promise<void> {
  const stopping = new AbortController();
  let server = first;
  const watch = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const end = await server.exited;
      if (stopping.signal.aborted) return;
      log.error(`${end.message}. It is started again`);
      server = await startAgain(async () => await start(first.port, stopping.signal));
    }
  };
  const startAgain = async (attempt: () => Promise<EmbeddedServer>): Promise<EmbeddedServer> => {
    for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(2 * delayMs, MAX_DELAY_MS)) {
      await delay(delayMs, undefined, { signal: stopping.signal });
      try {
        return await attempt();
      } catch (error) {
        stopping.signal.throwIfAborted();
        log.error(`nats-server can't be started again: ${messageOf(error)}`);
      }
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!stopping.signal.aborted) log.error({ err: error }, "nats-server is no longer watched");
  });
  return async () => {
    stopping.abort();
    await server.stop();
    await watching;
  };
}

/**
 * Makes the streams what they should be.
 * @returns the limit of the heartbeats' stream in bytes, so that nobody else decides another.
 */
export async function prepareStreams(
  context: Context,
  nats: UpNats,
  signal: AbortSignal,
): Promise<number> {
  const { settings, paths, log } = context;
  const nc = await connectNats({ ...natsOptions(context, "runbeat up"), url: nats.url, signal });
  try {
    const free = nats.isEmbedded ? diskOf(paths.natsDir).freeBytes : undefined;
    const reports = await reconcileStreams(nc, streamOptions(settings, free));
    for (const note of reports.flatMap(({ notes }) => notes)) log.warn(note);
    const jsm = await openJetStream(nc);
    const info = await jsm.streams.info(streamName(prefixesOf(settings), "heartbeats"));
    return info.config.max_bytes;
  } finally {
    await nc.close();
  }
}
