import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { Command } from "commander";
import { projectVersion } from "../config/project-root.ts";
import { thresholdsOf } from "../config/thresholds.ts";
import { createApi } from "../lib/api/app.ts";
import type { OperatorAccess } from "../lib/api/operator-access.ts";
import { openStreamAccess } from "../lib/api/jetstream-access.ts";
import { requireReadKey } from "../lib/api/keys.ts";
import { startMonitor } from "../lib/api/pipeline-monitor.ts";
import { serveApi } from "../lib/api/server.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { OperatorLine } from "../lib/nats/operator-line.ts";
import { openReadModels } from "../lib/store/read-models.ts";
import { Closers } from "./closers.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { fleetRules } from "./fleet-rules.ts";
import { watchFleet } from "./fleet-watch.ts";
import { followedProjections } from "./followed-projections.ts";
import { setHeapGrowth } from "./heap-growth.ts";
import { heartbeatKey } from "./heartbeat-key.ts";
import { natsOptions } from "./nats-options.ts";
import { openPast } from "./past.ts";
import { listedProjections } from "./projection-list.ts";
import { prefixesOf } from "./stream-options.ts";
import { untilStopped } from "./until-stopped.ts";

/** Without an answer of NATS for so long, nothing can be told. */
const CONTACT_MS = 3_000;
/** A login that was refused may be put right on the server. */
const LOGIN_AGAIN_MS = 5_000;

export function command(): Command {
  return new Command("api")
    .description(
      "Answers for the read models over HTTP and takes heartbeats of runners that can't speak NATS. Runs until it is stopped.",
    )
    .option("--host <address>", "address to listen on (default: 127.0.0.1)")
    .option("--port <port>", "port to listen on; 0 takes any free one (default: 8080)")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat api\n  $ RUNBEAT_READ_KEY=… runbeat api --host 0.0.0.0 --port 9090",
    )
    .action(async (_options: unknown, self: Command) => {
      await run(openContext(self, { "http.host": "--host", "http.port": "--port" }));
    });
}

async function run(context: Context): Promise<void> {
  const { log, settings } = context;
  requireReadKey(settings.http.host, settings.http.readKey);
  setHeapGrowth();
  const stopping = untilStopped();
  const closers = new Closers();
  try {
    const { failed } = await start(context, closers);
    log.info({ reason: await Promise.race([stopping, failed]) }, "the API stops");
  } finally {
    await closers.closeAll(log);
  }
}

/** The API listens before anything else is there: it then says what is missing. */
async function start(context: Context, closers: Closers): Promise<{ failed: Promise<never> }> {
  const { log, settings, paths } = context;
  const rules = fleetRules(context);
  const models = openReadModels({ file: paths.databaseFile, thresholds: thresholdsOf(settings) });
  closers.push("the read models", () => models.close());
  const past = openPast(context, closers, { inThread: true });
  const stopWatching = watchFleet(context, (runners, fleet) => {
    models.declare(runners, Date.now());
    past.declare(runners);
    rules.take(fleet);
  });
  closers.push("the fleet file", stopWatching);
  const { connecting, close } = connect(context);
  closers.push("NATS", close);
  const prefixes = prefixesOf(settings);
  const streams = openStreamAccess(connecting, prefixes);
  const monitor = startMonitor({
    askServer: async () => await streams.askServer(),
    checkpoints: () => models.checkpoints(),
    followed: followedProjections(context),
    limits: { contactMs: CONTACT_MS, lagMs: settings.status.maxLagSec * 1_000 },
  });
  closers.push("the monitor", () => monitor.close());
  const operator = operatorAccess(context, connecting);
  const { readKey, operateKey } = settings.http;
  const stopping = new AbortController();
  const app = createApi({
    models,
    monitor,
    streams,
    past: past.states,
    operator,
    keys: {
      readKey,
      operateKey,
      heartbeatKey: heartbeatKey(context),
      more: settings.ingest.keys,
    },
    ingestLimits: { perSec: settings.ingest.ratePerSec, burst: settings.ingest.rateBurst },
    maxBodyBytes: settings.ingest.maxBodyBytes,
    prefixes,
    log,
    version: projectVersion(),
    rules,
    stopping: stopping.signal,
    ...(await listedProjections(context)),
  });
  const server = await serveApi(app, settings.http);
  closers.push("the server", async () => await server.close());
  closers.push("live clients", () => stopping.abort());
  log.info(`the API listens on ${server.url}`);
  const failed = connecting.then(async () => await new Promise<never>(() => {}));
  failed.catch(() => {});
  return { failed };
}

/** What operators ask for is passed on as soon as there is a connection, and not kept until then. */
function operatorAccess(context: Context, connecting: Promise<NatsConnection>): OperatorAccess {
  const options = { prefixes: prefixesOf(context.settings), by: `api@${hostname()}` };
  let line: OperatorLine | undefined;
  connecting.then((nc) => (line = new OperatorLine(nc, options))).catch(() => undefined);
  const there = (): OperatorLine => {
    if (line !== undefined) return line;
    throw new AppError("unavailable", "NATS is out of reach: nothing was ordered");
  };
  return {
    order: async (runner, order) => await there().order(runner, order),
    setSilence: async (silence, atMs) => await there().setSilence(silence, atMs),
    liftSilence: async (id, by, atMs) => await there().liftSilence(id, by, atMs),
  };
}

/** Connects in the background, for as long as it takes. Rejects where waiting can't help. */
function connect(context: Context): {
  connecting: Promise<NatsConnection>;
  close: () => Promise<void>;
} {
  const abort = new AbortController();
  const connecting = connectAtLast(context, abort.signal);
  connecting.catch(() => {});
  const close = async (): Promise<void> => {
    abort.abort();
    const nc = await connecting.catch(() => undefined);
    await nc?.close();
  };
  return { connecting, close };
}

async function connectAtLast(context: Context, signal: AbortSignal): Promise<NatsConnection> {
  for (;;) {
    try {
      const options = natsOptions(context, "runbeat api");
      return await connectNats({ ...options, waitOnFirstConnect: true, signal });
    } catch (error) {
      const mayHelp = error instanceof AppError && error.code === "forbidden";
      if (!mayHelp) throw error;
      context.log.error(`${messageOf(error)}; trying again`);
    }
    await delay(LOGIN_AGAIN_MS, undefined, { signal });
  }
}
