/** What a unit driver tells, and on whose behalf it beats. */
import type { FleetEntry } from "../../lib/core/fleet.ts";
import { parseFleet } from "../../config/fleet.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import type { RunReport } from "../../lib/enforcer/driver.ts";
import type { UnitDriverOptions } from "../../lib/enforcer/unit-driver.ts";

export interface Beating {
  readonly pid: number;
  readonly health: () => unknown;
  isStopped: boolean;
}

export interface UnitRig {
  readonly entry: FleetEntry;
  readonly told: RunReport[];
  readonly beating: Beating[];
  readonly warnings: string[];
  events(): string[];
  readonly options: Omit<UnitDriverOptions, "backend" | "nameOf">;
}

export function makeUnitRig(id: string, driver: string): UnitRig {
  const fleet = parseFleet(`runners: { ${id}: ${driver} }`, {}, "fleet.yaml");
  const entry = fleet.runners.get(parseRunnerId(id));
  if (entry === undefined) throw new Error(`no ${id}`);
  const told: RunReport[] = [];
  const beating: Beating[] = [];
  const warnings: string[] = [];
  return {
    entry,
    told,
    beating,
    warnings,
    events: () => told.map(({ report }) => report.event),
    options: {
      hooks: { onReport: (report) => void told.push(report), onChange: () => {} },
      openBeats: (_, { pid }, health) => {
        const one: Beating = { pid, health, isStopped: false };
        beating.push(one);
        return {
          stop: () => {
            one.isStopped = true;
            return Promise.resolve();
          },
        };
      },
      startedAtOf: () => 0,
      warn: (message) => void warnings.push(message),
      everyMs: 20,
    },
  };
}
