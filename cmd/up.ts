import { join, relative } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { loadFleet } from "../config/fleet.ts";
import { requireReadKey } from "../lib/api/keys.ts";
import { AppError } from "../lib/core/errors.ts";
import { takeExclusiveLock } from "../lib/store/exclusive-lock.ts";
import { reservePort } from "./api-address.ts";
import { startChildCommand } from "./child-command.ts";
import { Closers } from "./closers.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { lockConflict, removeEnforcerRecord, writeEnforcerRecord } from "./enforcer-record.ts";
import { flagEnvironment } from "./flag-environment.ts";
import { startFleetRunners } from "./fleet-runners.ts";
import { fleetFileVersion } from "./fleet-watch.ts";
import { heartbeatKey } from "./heartbeat-key.ts";
import { configuredUrl } from "./read-api.ts";
import { listenForStops } from "./stop-requests.ts";
import { readUpRecord, removeUpRecord, writeUpRecord } from "./up-record.ts";
import { findImport, openExport, sayImport, untilFolded, withoutDemoFleet } from "./up-import.ts";
import { prepareStreams, startNats } from "./up-nats.ts";
import type { UpNats } from "./up-nats.ts";

const READY_MS = 30_000;
const POLL_MS = 50;
/** What shells say of a program that ctrl-C ended. */
const INTERRUPTED = 130;

export function command(): Command {
  return new Command("up")
    .description(
      "Runs everything on this machine: nats-server (unless NATS_URL names one), projector, API, sentinel, and the runners of the fleet file. ctrl-C stops it all.",
    )
    .option("--fleet <file>", "the fleet file (default: the demo fleet)")
    .option("--host <address>", "address of the API (default: 127.0.0.1)")
    .option("--port <port>", "port of the API (default: 8080)")
    .option(
      "--from-export <file>",
      "show what `runbeat export` wrote, as it stood then, in a folder and on ports of its own",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat up\n  $ runbeat up --fleet fleet.yaml --port 9090\n  $ NATS_URL=nats://10.0.0.5:4222 runbeat up\n  $ runbeat up --from-export incident.ndjson.gz",
    )
    .action(async ({ fromExport }: { fromExport?: string }, self: Command) => {
      const flags = { fleet: "--fleet", "http.host": "--host", "http.port": "--port" };
      await run(openContext(self, flags), fromExport);
    });
}

async function run(context: Context, exportFile: string | undefined): Promise<void> {
  const { log, say } = context;
  const stops = listenForStops({
    withParent: context.environment["npm_lifecycle_event"] !== undefined,
    onHurry: () => {
      say("Stopping at once.");
      // Whatever we started notices that we are gone and ends.
      process.exit(INTERRUPTED);
    },
  });
  const closers = new Closers();
  try {
    const own =
      exportFile === undefined ? context : await openExport(context, exportFile, stops.signal);
    const { failed } = await start(own, closers, stops.signal);
    const reason = await Promise.race([stops.stopped, failed]);
    say(`\nStopping (${reason}). Once more: at once.`);
  } catch (error) {
    if (!stops.signal.aborted) throw error;
    say(`\nStopping (${String(stops.signal.reason)}).`);
  } finally {
    await closers.closeAll(log);
    stops.close();
  }
}

interface Started {
  /** Rejects when something can't be kept running. */
  readonly failed: Promise<never>;
}

async function start(context: Context, closers: Closers, signal: AbortSignal): Promise<Started> {
  const { settings, paths } = context;
  requireReadKey(settings.http.host, settings.http.readKey);
  const fleetVersion = fleetFileVersion(context);
  const fleet = loadFleet(paths.fleetFile, context.environment);
  takeLocks(context, closers);
  const port = await reservePort(settings);
  const nats = await startNats(context, signal);
  closers.push("NATS", async () => await nats.stop());
  const imported = await findImport(context, nats.url);
  const maxBytes = await prepareStreams(context, nats, signal);
  const shown = imported === undefined ? context : withoutDemoFleet(context);
  const env = childEnvironment(shown, { nats, port, maxBytes });
  const apiUrl = configuredUrl({ ...settings, http: { ...settings.http, port } });
  const commands = imported === undefined ? OWN_COMMANDS : READING_COMMANDS;
  const failed = startOwnCommands(context, closers, env, commands);
  await Promise.race([untilAnswering(apiUrl, closers, signal), failed]);
  writeUpRecord(paths, { natsUrl: nats.url, apiUrl });
  closers.push("the addresses", () => removeUpRecord(paths));
  if (imported !== undefined) {
    await Promise.race([untilFolded(apiUrl, signal), failed]);
    sayImport(context, apiUrl, imported);
    return { failed };
  }
  const runners = await startFleetRunners(context, {
    fleet,
    fleetVersion,
    natsUrl: nats.url,
    apiUrl,
    heartbeatKey: heartbeatKey(context),
    env,
    args: context.fileArguments,
    signal,
  });
  closers.push("the fleet", async () => await runners.stop());
  sayWelcome(context, { nats, apiUrl, runners: fleet.runners.size });
  return { failed };
}

/** @throws AppError `conflict` that says who has one. */
function takeLocks({ paths }: Context, closers: Closers): void {
  const data = takeExclusiveLock(join(paths.dataDir, "up.lock"));
  if (data === undefined) {
    throw new AppError(
      "conflict",
      `Another runbeat up${whoIsUp(paths)} runs on the data folder ${paths.dataDir}: stop it, or ` +
        "give this one a folder and ports of its own with --data-dir, --port and RUNBEAT_NATS_PORT",
    );
  }
  closers.push("the lock of the data folder", () => data.release());
  const enforcer = takeExclusiveLock(paths.lockFile);
  if (enforcer === undefined) throw lockConflict(paths.lockFile);
  closers.push("the lock of the enforcer", () => enforcer.release());
  writeEnforcerRecord(paths.lockFile);
  closers.push("the record of the enforcer", () => removeEnforcerRecord(paths.lockFile));
}

function whoIsUp(paths: Context["paths"]): string {
  const other = readUpRecord(paths);
  return other === undefined ? "" : ` (process ${other.process.pid}, API at ${other.apiUrl})`;
}

const OWN_COMMANDS = ["projector", "api", "sentinel"];
/** Nothing may be added to an import. */
const READING_COMMANDS = ["projector", "api"];

/** @returns what rejects when one of them can't be kept running. */
function startOwnCommands(
  { log, fileArguments }: Context,
  closers: Closers,
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Promise<never> {
  const failures = names.map((name) => {
    const child = startChildCommand({ name, args: fileArguments, env, log });
    closers.push(`the ${name}`, async () => await child.stop());
    return child.failed;
  });
  const failed = Promise.race(failures);
  // Whoever waits for it hears of it; while nobody does, that is no fault.
  failed.catch(() => {});
  return failed;
}

interface Decided {
  readonly nats: UpNats;
  readonly port: number;
  /** Of the heartbeats' stream. */
  readonly maxBytes: number;
}

/** Our environment, and what was given by flags or decided here, as variables. */
function childEnvironment(
  context: Context,
  { nats, port, maxBytes }: Decided,
): Record<string, string | undefined> {
  const { environment, paths } = context;
  return {
    ...environment,
    ...flagEnvironment(context),
    RUNBEAT_DATA_DIR: paths.dataDir,
    RUNBEAT_DATABASE_URL: paths.databaseFile,
    RUNBEAT_FLEET: paths.fleetFile,
    NATS_URL: nats.url,
    RUNBEAT_HTTP_PORT: String(port),
    ...(maxBytes > 0 ? { RUNBEAT_STREAMS_HEARTBEATS_MAX_BYTES: String(maxBytes) } : {}),
  };
}

/** @throws AppError `unavailable` when the API does not answer in time. */
async function untilAnswering(url: string, closers: Closers, stopping: AbortSignal): Promise<void> {
  const ending = new AbortController();
  closers.push("the wait for the API", () => ending.abort());
  const signal = AbortSignal.any([stopping, ending.signal]);
  const deadline = performance.now() + READY_MS;
  while (performance.now() < deadline) {
    signal.throwIfAborted();
    const response = await fetch(`${url}/livez`, { signal }).catch(() => undefined);
    if (response?.ok === true) return;
    await delay(POLL_MS, undefined, { signal });
  }
  throw new AppError("unavailable", `The API did not answer at ${url} within ${READY_MS / 1000} s`);
}

function sayWelcome(
  { say, paths, settings }: Context,
  { nats, apiUrl, runners }: { nats: UpNats; apiUrl: string; runners: number },
): void {
  const key =
    settings.ingest.heartbeatKey === null ? fromHere(paths.heartbeatKeyFile) : "as configured";
  say(
    [
      "",
      "Runbeat is up.",
      `  API            ${apiUrl}/api/v1/runners   (reference: ${apiUrl}/docs)`,
      `  NATS           ${nats.url}   (${nats.about})`,
      `  fleet          ${fromHere(paths.fleetFile)}   (${runners} ${runners === 1 ? "runner" : "runners"})`,
      `  data           ${fromHere(paths.dataDir)}`,
      `  heartbeat key  ${key}`,
      "",
      "Look:  npx runbeat status",
      "Stop:  ctrl-C",
      "",
    ].join("\n"),
  );
}

/** Relative to the current folder where that is shorter to read. */
function fromHere(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}
