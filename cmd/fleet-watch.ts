/** The fleet file as the API wants it: the list of declared runners, followed as the file changes. */
import { statSync } from "node:fs";
import { loadFleet } from "../config/fleet.ts";
import type { FleetEntry } from "../lib/core/fleet.ts";
import type { DeclaredRunner } from "../lib/core/read-models.ts";
import { messageOf } from "../lib/core/errors.ts";
import type { Context } from "./context.ts";

const LOOK_EVERY_MS = 2_000;

function declared({ runner, driver, intervalSec, thresholds }: FleetEntry): DeclaredRunner {
  return { runner, driver: driver.kind, intervalSec, thresholds };
}

function versionOf(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? "none" : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
}

/**
 * Hands over the declared runners now and whenever the file changes; a file that is wrong changes
 * nothing and is said once. Without a fleet file in the settings there is none: an API on its own
 * does not know what `up` would run. @returns what ends it.
 */
export function watchFleet(
  { settings, paths, environment, log }: Context,
  onChange: (runners: readonly DeclaredRunner[]) => void,
): () => void {
  if (settings.fleet === null) return () => undefined;
  let seen = "";
  const look = (): void => {
    const version = versionOf(paths.fleetFile);
    if (version === seen) return;
    seen = version;
    try {
      onChange([...loadFleet(paths.fleetFile, environment).runners.values()].map(declared));
    } catch (error) {
      log.warn(`Declared runners are as they were: ${messageOf(error)}`);
    }
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
