import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { Command } from "commander";
import { loadFleet } from "../config/fleet.ts";
import { takeExclusiveLock } from "../lib/store/exclusive-lock.ts";
import { Closers } from "./closers.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { dryRun } from "./enforcer-dry-run.ts";
import { lockConflict, removeEnforcerRecord, writeEnforcerRecord } from "./enforcer-record.ts";
import { flagEnvironment } from "./flag-environment.ts";
import { startFleetRunners } from "./fleet-runners.ts";
import { fleetFileVersion } from "./fleet-watch.ts";
import { heartbeatKey } from "./heartbeat-key.ts";
import { natsUrl } from "./nats-options.ts";
import { configuredUrl } from "./read-api.ts";
import { listenForStops } from "./stop-requests.ts";

/** What shells say of a program that ctrl-C ended. */
const INTERRUPTED = 130;

interface Options {
  readonly dryRun?: true;
  readonly json?: true;
}

const EXAMPLES = `
Ends its runners when it is ended by a signal. When it is killed, or crashes, they run on, and the
next one takes them over.

Examples:
  $ runbeat enforcer --fleet fleet.yaml
  $ runbeat enforcer --dry-run          # what it would do now, without doing it`;

export function command(): Command {
  return new Command("enforcer")
    .description("Makes what runs on this host match the fleet file, and keeps it so.")
    .option("--fleet <file>", "the fleet file (default: RUNBEAT_FLEET, else the demo fleet)")
    .option("--dry-run", "print what it would do now, and do nothing")
    .option("--json", "with --dry-run: as JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options, self: Command) => {
      const context = openContext(self, { fleet: "--fleet" });
      if (options.dryRun === true) dryRun(context, options.json === true);
      else await run(context);
    });
}

async function run(context: Context): Promise<void> {
  const { log, paths, say } = context;
  const fleetVersion = fleetFileVersion(context);
  const fleet = loadFleet(paths.fleetFile, context.environment);
  const closers = new Closers();
  const stops = listenForStops({
    withParent: false,
    onHurry: () => process.exit(INTERRUPTED),
  });
  try {
    takeLock(context, closers);
    const runners = await startFleetRunners(context, {
      fleet,
      fleetVersion,
      natsUrl: natsUrl(context),
      apiUrl: configuredUrl(context.settings),
      heartbeatKey: heartbeatKey(context),
      env: childEnvironment(context),
      args: context.fileArguments,
      signal: stops.signal,
    });
    closers.push("the fleet", async () => await runners.stop());
    say(`The enforcer of ${hostname()} keeps ${fleet.runners.size} runners of ${paths.fleetFile}.`);
    say(`Stopping (${await stops.stopped}).`);
  } finally {
    await closers.closeAll(log);
    stops.close();
  }
}

/** @throws AppError `conflict` that says who holds it. */
function takeLock(context: Context, closers: Closers): void {
  const { paths } = context;
  const lock = takeExclusiveLock(paths.lockFile);
  if (lock === undefined) throw lockConflict(paths.lockFile);
  closers.push("the lock of the enforcer", () => lock.release());
  writeEnforcerRecord(paths.lockFile);
  closers.push("the record of the enforcer", () => removeEnforcerRecord(paths.lockFile));
}

function childEnvironment(context: Context): Record<string, string | undefined> {
  const { environment, paths } = context;
  return {
    ...environment,
    ...flagEnvironment(context),
    RUNBEAT_DATA_DIR: paths.dataDir,
    ...(existsSync(paths.fleetFile) ? { RUNBEAT_FLEET: paths.fleetFile } : {}),
    NATS_URL: natsUrl(context),
  };
}
