/** The fleet file, followed as it changes: a file that is wrong changes nothing and is said once. */
import { statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { loadFleet } from "../config/fleet.ts";
import type { Fleet, FleetEntry } from "../lib/core/fleet.ts";
import type { DeclaredRunner } from "../lib/core/read-models.ts";
import { messageOf } from "../lib/core/errors.ts";
import type { Context } from "./context.ts";

const LOOK_EVERY_MS = 2_000;
/** Editors write a file in several steps. */
const SETTLE_MS = 50;

function declared({ runner, driver, intervalSec, thresholds }: FleetEntry): DeclaredRunner {
  return { runner, driver: driver.kind, intervalSec, thresholds };
}

function versionOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? "none" : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
}

/**
 * Hands over the declared runners now and whenever the file changes. Without a fleet file in the
 * settings there is none: an API on its own does not know what `up` would run.
 * @returns what ends it.
 */
export function watchFleet(
  context: Context,
  onChange: (runners: readonly DeclaredRunner[], fleet: Fleet) => void,
): () => void {
  if (context.settings.fleet === null) return () => undefined;
  return followFleetFile(context, "", (fleet) =>
    onChange([...fleet.runners.values()].map(declared), fleet),
  );
}

/** As it is now, for {@link followFleetFile}: what was read before need not be read again. */
export function fleetFileVersion({ paths }: Pick<Context, "paths">): string {
  return versionOf(paths.fleetFile);
}

/**
 * Hands over the fleet whenever its file changes: at once where the system tells of changes, and
 * after 2 s in any case.
 * @param seen the version that is known; "" hands over the first one at once.
 * @returns what ends it.
 */
export function followFleetFile(
  { paths, environment, log }: Context,
  seen: string,
  onChange: (fleet: Fleet) => void,
): () => void {
  let known = seen;
  const look = (): void => {
    const version = versionOf(paths.fleetFile);
    if (version === known) return;
    known = version;
    try {
      onChange(loadFleet(paths.fleetFile, environment));
    } catch (error) {
      log.error(`The fleet stays as it was: ${messageOf(error)}`);
    }
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  const unwatch = watchFile(paths.fleetFile, look);
  return () => {
    clearInterval(timer);
    unwatch();
  };
}

/** The folder is watched: editors put a new file in the old one's place. */
function watchFile(file: string, look: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  try {
    const watcher = watch(dirname(file), { persistent: false }, (_event, name) => {
      if (name !== basename(file)) return;
      clearTimeout(timer);
      timer = setTimeout(look, SETTLE_MS).unref();
    });
    watcher.on("error", () => {});
    return () => {
      clearTimeout(timer);
      watcher.close();
    };
  } catch {
    // Then the regular look is enough.
    return () => {};
  }
}
