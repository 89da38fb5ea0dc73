/** Heartbeats on behalf of containers and systemd units, which know nothing of Runbeat. */
import { hostname } from "node:os";
import type { OpenUnitBeats } from "../lib/enforcer/unit-driver.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import { startedAtOf } from "../lib/runner/process-identity.ts";
import { createUsageMeter } from "../lib/runner/process-usage.ts";
import { usageFields } from "../lib/runner/usage-fields.ts";
import { beatChannel } from "./beat-options.ts";
import type { Context } from "./context.ts";

/** What a unit driver beats with. */
export function unitBeats(context: Context): OpenUnitBeats {
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
