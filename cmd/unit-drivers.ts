/** Drivers of containers and systemd units, with heartbeats on behalf of what knows nothing of Runbeat. */
import { hostname } from "node:os";
import { createDockerDriver } from "../lib/enforcer/docker-driver.ts";
import type { Driver, DriverHooks } from "../lib/enforcer/driver.ts";
import { createSystemdDriver } from "../lib/enforcer/systemd-driver.ts";
import type { OpenUnitBeats } from "../lib/enforcer/unit-driver.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import { startedAtOf } from "../lib/runner/process-identity.ts";
import { createUsageMeter } from "../lib/runner/process-usage.ts";
import { usageFields } from "../lib/runner/usage-fields.ts";
import { beatChannel } from "./beat-options.ts";
import type { Context } from "./context.ts";

/** By the kind of a fleet entry's driver. */
export function unitDrivers(context: Context, hooks: DriverHooks): [string, Driver][] {
  const options = {
    hooks,
    openBeats: unitBeats(context),
    startedAtOf,
    warn: (message: string) => context.log.warn(message),
  };
  const { host: dockerHost } = context.settings.docker;
  return [
    ["docker", createDockerDriver({ ...options, dockerHost })],
    ["systemd", createSystemdDriver(options)],
  ];
}

function unitBeats(context: Context): OpenUnitBeats {
  const { heartbeat } = context.settings;
  return ({ runner, intervalSec, labels }, { pid, startedAt }, health) => {
    const measure = createUsageMeter(pid);
    return startHeartbeatClient({
      identity: {
        runner,
        host: hostname(),
        pid,
        startedAt,
        intervalSec: intervalSec ?? heartbeat.intervalSec,
      },
      snapshotEverySec: heartbeat.snapshotEverySec,
      open: beatChannel(context, runner),
      collect: () => {
        const said = health();
        if (said === null) return null;
        // Docker may run elsewhere: then the pid is another process here.
        const isHere = startedAtOf(pid) === startedAt;
        return { ...said, labels, ...(isHere ? { resources: usageFields(measure()) } : {}) };
      },
      onError: (error) => context.log.warn({ runner }, error.message),
    });
  };
}
