/** What the enforcers of the fleet file go by, for whoever explains what they do. */
import type { RulesSource } from "../lib/api/api.ts";
import type { Fleet } from "../lib/core/fleet.ts";
import { readKept } from "../lib/enforcer/memory-file.ts";
import type { Context } from "./context.ts";
import { decideSettings, enforcerRunner, memoryFile } from "./enforcer-options.ts";

/** Rules whose fleet is handed over as its file changes. */
export interface FollowedRules extends RulesSource {
  take(fleet: Fleet): void;
}

/** The enforcer's memory is read from the data folder: there is one where it runs on this host. */
export function fleetRules(context: Context): FollowedRules {
  const settings = decideSettings(context.settings);
  let fleet: Fleet | undefined;
  return {
    take: (changed) => {
      fleet = changed;
    },
    current: () => ({
      fleet,
      settings,
      // Half a file or none only means that its events must tell.
      memory: readKept(memoryFile(context), () => undefined)?.memory,
    }),
    enforcerOf: (host) => enforcerRunner(host),
  };
}
