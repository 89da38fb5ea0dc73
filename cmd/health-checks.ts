/** Looks after this host as the settings say. */
import { existsSync } from "node:fs";
import { cwd } from "node:process";
import { parseServerList } from "../lib/nats/server-list.ts";
import { startHealthChecks } from "../lib/runner/health-check.ts";
import type { HealthCheckOptions, HealthChecker } from "../lib/runner/health-check.ts";
import type { HeartbeatPart } from "../lib/runner/heartbeat-body.ts";
import type { Context } from "./context.ts";

/** @param onChange told each change of a check, for the events `check_failed` and `check_recovered`. */
export function openHealthChecks(
  { settings, paths }: Pick<Context, "settings" | "paths">,
  onChange: NonNullable<HealthCheckOptions["onChange"]>,
): HealthChecker {
  const { checks } = settings;
  return startHealthChecks({
    // A runner alone on its host needs no data folder.
    dataDir: existsSync(paths.dataDir) ? paths.dataDir : cwd(),
    reach: placesToReach(checks.reach, settings.nats.url),
    everySec: checks.everySec,
    limits: {
      disk: { warn: checks.diskWarnPercent, error: checks.diskErrorPercent },
      memory: { warn: checks.memoryWarnPercent, error: checks.memoryErrorPercent },
      cpu: { warn: checks.cpuWarnPercent, error: null },
    },
    onChange,
  });
}

/** What the checks have to say in a heartbeat, added to what it says already. */
export function withHealth(part: HeartbeatPart, health: HealthChecker): HeartbeatPart {
  const used = health.latest().find(({ check }) => check === "disk_space")?.value;
  const disk = used == null ? {} : { disk_free_percent: Math.round((100 - used) * 10) / 10 };
  return {
    ...part,
    checks: { ...health.checks(), ...part.checks },
    resources: { ...part.resources, ...disk },
  };
}

/** None with the embedded server: then loopback is what matters. */
function placesToReach(configured: string | null, natsUrl: string | null): readonly string[] {
  if (configured === null) return natsUrl === null ? [] : parseServerList(natsUrl).servers;
  const places = configured.split(",").map((place) => place.trim());
  return places.filter((place) => place !== "");
}
