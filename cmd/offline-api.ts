/** The read API's answers without the API: the same routes, in this process, on the database. */
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { projectVersion } from "../config/project-root.ts";
import { thresholdsOf } from "../config/thresholds.ts";
import { createApi } from "../lib/api/app.ts";
import { openStreamAccess } from "../lib/api/jetstream-access.ts";
import { startMonitor } from "../lib/api/pipeline-monitor.ts";
import type { PipelineMonitor } from "../lib/api/pipeline-monitor.ts";
import { AppError } from "../lib/core/errors.ts";
import type { ReadModels } from "../lib/core/read-models.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { openReadModels } from "../lib/store/read-models.ts";
import { followedProjections } from "./followed-projections.ts";
import type { Closers } from "./closers.ts";
import type { Context } from "./context.ts";
import { fleetRules } from "./fleet-rules.ts";
import { watchFleet } from "./fleet-watch.ts";
import { natsOptions } from "./nats-options.ts";
import { openPast } from "./past.ts";
import { listedProjections } from "./projection-list.ts";
import { answerOf } from "./read-api.ts";
import type { ReadApi } from "./read-api.ts";
import { prefixesOf } from "./stream-options.ts";

/** NATS is on this machine or near; whoever waits for a table waits no longer than this. */
const NATS_MS = 1_500;
const LOAD_MS = 10_000;
const POLL_MS = 20;
const CONTACT_MS = 3_000;
/** Nobody can post to an application without a socket; the routes want some key all the same. */
const NO_KEY = "";

/**
 * Opens the database for reading and asks NATS for its clock. Where NATS does not answer, nobody
 * knows who beats: statuses are `unknown`, as the API would say.
 * @throws AppError `unavailable` when there is no database.
 */
export async function openOfflineApi(context: Context, closers: Closers): Promise<ReadApi> {
  const { settings, paths, log } = context;
  const file = paths.databaseFile;
  if (!existsSync(file)) throw new AppError("unavailable", `there is no database ${file}`);
  const rules = fleetRules(context);
  const models = openReadModels({ file, thresholds: thresholdsOf(settings) });
  closers.push("the read models", () => models.close());
  const past = openPast(context, closers, { inThread: false });
  const stopWatching = watchFleet(context, (runners, fleet) => {
    models.declare(runners, Date.now());
    past.declare(runners);
    rules.take(fleet);
  });
  closers.push("the fleet file", stopWatching);
  const streams = openStreamAccess(connectSoon(context, closers), prefixesOf(settings));
  const monitor = startMonitor({
    askServer: async () => await streams.askServer(),
    checkpoints: () => models.checkpoints(),
    followed: followedProjections(context),
    limits: { contactMs: CONTACT_MS, lagMs: settings.status.maxLagSec * 1_000 },
  });
  closers.push("the monitor", () => monitor.close());
  await untilLoaded(models, monitor);
  const app = createApi({
    models,
    monitor,
    streams,
    past: past.states,
    keys: { readKey: null, operateKey: null, heartbeatKey: NO_KEY, more: [] },
    ingestLimits: { perSec: 1, burst: 1 },
    maxBodyBytes: 1,
    prefixes: prefixesOf(settings),
    log,
    version: projectVersion(),
    rules,
    ...(await listedProjections(context)),
  });
  return {
    place: file,
    get: async (path) => await answerOf(file, await app.request(path)),
  };
}

/** One attempt, given up when the command ends. */
function connectSoon(context: Context, closers: Closers): Promise<NatsConnection> {
  const abort = new AbortController();
  const options = natsOptions(context, "runbeat status");
  const connecting = connectNats({ ...options, timeoutMs: NATS_MS, signal: abort.signal });
  closers.push("NATS", async () => {
    abort.abort();
    const nc = await connecting.catch(() => undefined);
    await nc?.close();
  });
  connecting.catch(() => {});
  return connecting;
}

/** Until the fleet is in memory and NATS has answered, or has had its time. */
async function untilLoaded(models: ReadModels, monitor: PipelineMonitor): Promise<void> {
  const from = performance.now();
  const waited = (): number => performance.now() - from;
  while (!models.isLoaded() && waited() < LOAD_MS) await delay(POLL_MS);
  while (monitor.trouble() !== undefined && waited() < NATS_MS) await delay(POLL_MS);
}
