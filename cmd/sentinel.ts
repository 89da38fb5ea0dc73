import { hostname } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { Command } from "commander";
import { thresholdsOf } from "../config/thresholds.ts";
import { openStreamAccess } from "../lib/api/jetstream-access.ts";
import { startMonitor } from "../lib/api/pipeline-monitor.ts";
import type { PipelineMonitor } from "../lib/api/pipeline-monitor.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { Moment } from "../lib/core/read-models.ts";
import { streamName } from "../lib/core/subject.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { stateBucket } from "../lib/nats/stream-declarations.ts";
import { AlertStream } from "../lib/sentinel/alert-stream.ts";
import type { Sink } from "../lib/sentinel/notice.ts";
import { OutageFile } from "../lib/sentinel/outage-file.ts";
import { OutageTeller } from "../lib/sentinel/outage-teller.ts";
import { startSentinel } from "../lib/sentinel/sentinel.ts";
import { openSink } from "../lib/sentinel/sinks.ts";
import { lastGap } from "../lib/sentinel/stream-gap.ts";
import type { Gap } from "../lib/sentinel/stream-gap.ts";
import { openReadModels } from "../lib/store/read-models.ts";
import { Closers } from "./closers.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { watchFleet } from "./fleet-watch.ts";
import { followedProjections } from "./followed-projections.ts";
import { natsOptions } from "./nats-options.ts";
import { watchOwn } from "./own-troubles.ts";
import { alertSettings } from "./alert-rules.ts";
import { prefixesOf } from "./stream-options.ts";
import { untilStopped } from "./until-stopped.ts";
import { whenAvailable } from "./when-available.ts";

/** Without an answer of NATS for so long, nothing can be told. */
const CONTACT_MS = 3_000;
/** Beyond the age at which a runner is offline, so long an outage is looked for at the start. */
const LOOK_BACK_MS = 60_000;
/** In the data folder, while one watches. */
const OUTAGE_FILE = "sentinel.json";

export function command(): Command {
  return new Command("sentinel")
    .description(
      "Watches the fleet: tells within a second when a runner falls silent or comes back. Several may run, one of them watches. Runs until it is stopped.",
    )
    .addHelpText("after", "\nExample:\n  $ NATS_URL=nats://10.0.0.5:4222 runbeat sentinel")
    .action(async (_options: unknown, self: Command) => await run(openContext(self)));
}

async function run(context: Context): Promise<void> {
  const { log } = context;
  const stopping = untilStopped();
  const abort = new AbortController();
  void stopping.then(() => abort.abort());
  const closers = new Closers();
  try {
    await start(context, closers, abort.signal);
    log.info({ reason: await stopping }, "the sentinel stops");
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    await closers.closeAll(log);
  }
}

async function start(context: Context, closers: Closers, signal: AbortSignal): Promise<void> {
  const { log, settings, paths } = context;
  const prefixes = prefixesOf(settings);
  const models = openReadModels({ file: paths.databaseFile, thresholds: thresholdsOf(settings) });
  closers.push("the read models", () => models.close());
  closers.push(
    "the fleet file",
    watchFleet(context, (runners) => models.declare(runners, Date.now())),
  );
  const options = { ...natsOptions(context, "runbeat sentinel"), waitOnFirstConnect: true, signal };
  const by = `sentinel@${hostname()}`;
  const sinks = settings.alerts.sinks.map((sink) => openSink(sink, { log, by }));
  const connecting = connectNats(options);
  const monitor = openMonitor(context, connecting, () => models.checkpoints());
  closers.push("the monitor", () => monitor.close());
  // Before there is a connection: one that was killed in an outage goes on telling of it.
  const outages = openOutages(context, { connecting, monitor, sinks, by });
  closers.push("the teller of outages", () => outages.close());
  const nc = await connecting;
  closers.push("NATS", async () => await nc.close());
  const again = { log, signal };
  const gap = await whenAvailable(async () => await findGap(context, nc), again);
  const sentinelOptions = {
    nc,
    prefixes,
    bucket: stateBucket(prefixes),
    holder: `${hostname()} pid ${process.pid}`,
    by,
    models,
    moment: foldedClock(monitor, gap),
    outages,
    alerts: alertSettings(context),
    retireAfterSec: settings.sentinel.retireAfterSec,
    ownTroubles: watchOwn({ context, models, monitor }),
    sinks,
    log,
  };
  const sentinel = await whenAvailable(async () => await startSentinel(sentinelOptions), again);
  closers.push("the sentinel", async () => await sentinel.stop());
}

function openMonitor(
  context: Context,
  connecting: Promise<NatsConnection>,
  checkpoints: Parameters<typeof startMonitor>[0]["checkpoints"],
): PipelineMonitor {
  const { settings } = context;
  const streams = openStreamAccess(connecting, prefixesOf(settings));
  return startMonitor({
    askServer: async () => await streams.askServer(),
    checkpoints,
    followed: followedProjections(context),
    limits: { contactMs: CONTACT_MS, lagMs: settings.status.maxLagSec * 1_000 },
  });
}

interface OutageParts {
  readonly connecting: Promise<NatsConnection>;
  readonly monitor: PipelineMonitor;
  readonly sinks: readonly Sink[];
  readonly by: string;
}

function openOutages(
  context: Context,
  { connecting, monitor, sinks, by }: OutageParts,
): OutageTeller {
  const { log, settings, paths } = context;
  return new OutageTeller({
    outage: () => monitor.trouble(),
    rule: alertSettings(context).rules.pipeline_down,
    sinks,
    file: new OutageFile(join(paths.dataDir, OUTAGE_FILE)),
    store: async (alerts) => {
      const nc = await connecting;
      const jsm = await jetstreamManager(nc, { checkAPI: false });
      const stream = new AlertStream({ nc, jsm, prefixes: prefixesOf(settings), by });
      await stream.writeOwn(alerts, Date.now());
    },
    log,
  });
}

/**
 * Silence from before we looked that was no runner's own.
 * @throws AppError `unavailable` while the stream can't be read: a projector that was started at
 *   the same time may not have made it yet.
 */
async function findGap(context: Context, nc: NatsConnection): Promise<Gap | null> {
  const stream = streamName(prefixesOf(context.settings), "heartbeats");
  try {
    return await readGap(context, nc, stream);
  } catch (error) {
    throw new AppError("unavailable", `Stream ${stream} can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function readGap(
  { settings }: Context,
  nc: NatsConnection,
  stream: string,
): Promise<Gap | null> {
  const { onlineSec, offlineSec } = settings.heartbeat;
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const info = await jsm.streams.info(stream);
  return await lastGap(jsm, {
    stream,
    now: Date.parse(info.ts ?? "") || Date.now(),
    minMs: onlineSec * 1_000,
    lookBackMs: offlineSec * 1_000 + LOOK_BACK_MS,
  });
}

/**
 * Now, less what is not folded yet: a heartbeat that waits to be folded is no silence. It never
 * goes back, or a runner that was told to be stale would be online again.
 */
function foldedClock(monitor: PipelineMonitor, gap: Gap | null): () => Moment {
  let last = 0;
  return () => {
    const { now, view } = monitor.moment();
    last = Math.max(last, now - (monitor.lagMs() ?? 0));
    return { now: last, view: { ...view, lastBlind: view.lastBlind ?? gap } };
  };
}
