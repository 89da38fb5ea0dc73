/** Cameras that share one process: the enforcer keeps that process, and only watches them. */
import { hostname } from "node:os";
import type { Fleet, FleetEntry } from "../lib/core/fleet.ts";
import { runnerId, runnerParts } from "../lib/core/runner-id.ts";
import { enforcerRunner } from "./enforcer-options.ts";

/** The fleet as the enforcer runs it: with `service/camera-host/<host>` where cameras are hosted. */
export function withCameraHost(fleet: Fleet, host: string = hostname()): Fleet {
  const hosted = [...fleet.runners.values()].filter(isHosted);
  if (hosted.length === 0) return fleet;
  const watched = hosted.map((entry): [FleetEntry["runner"], FleetEntry] => [
    entry.runner,
    { ...entry, driver: { kind: "external" } },
  ]);
  const own = hostEntry(host);
  return { ...fleet, runners: new Map([...fleet.runners, ...watched, [own.runner, own]]) };
}

function isHosted({ driver }: FleetEntry): boolean {
  return driver.kind === "camera" && driver.isHosted === true;
}

function hostEntry(host: string): FleetEntry {
  const { profile } = runnerParts(enforcerRunner(host));
  return {
    runner: runnerId({ kind: "service", name: "camera-host", profile }),
    driver: { kind: "camera_host" },
    intervalSec: null,
    restart: {
      backoffSec: undefined,
      maxAttempts: undefined,
      cooldownSec: undefined,
      stableSec: undefined,
    },
    thresholds: {},
    limits: undefined,
    labels: {},
  };
}
