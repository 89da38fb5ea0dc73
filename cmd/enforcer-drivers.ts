/** The drivers of everything that a fleet file may hold, but for what is only watched. */
import type { Fleet } from "../lib/core/fleet.ts";
import { runnerParts } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { DriverHooks } from "../lib/enforcer/driver.ts";
import type { Drivers } from "../lib/enforcer/enforcer.ts";
import { createProcessDriver } from "../lib/enforcer/process-runs.ts";
import { hostProcesses } from "../lib/runner/host-processes.ts";
import type { Context } from "./context.ts";
import { runsDir } from "./enforcer-options.ts";
import { ownProgram } from "./own-program.ts";
import { unitDrivers } from "./unit-drivers.ts";

export interface OwnCommands {
  readonly natsUrl: string;
  /** Where heartbeats over HTTP go: the API's own address. */
  readonly apiUrl: string;
  readonly heartbeatKey: string;
  /** Environment of our own commands: how to reach NATS, the data folder, what flags said. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Arguments of our own commands after their name, e.g. `["--config", "x.yaml"]`. */
  readonly args: readonly string[];
}

interface DriverParts {
  readonly own: OwnCommands;
  /** Where it was found once for all cameras. */
  readonly ffmpeg: string | undefined;
  readonly hooks: DriverHooks;
  readonly fleet: () => Fleet;
}

export function openDrivers(context: Context, parts: DriverParts): Drivers {
  const processes = openProcesses(context, parts);
  return new Map([
    ["camera", processes],
    ["camera_host", processes],
    ["command", processes],
    ...unitDrivers(context, parts.hooks),
  ]);
}

function openProcesses(context: Context, { own, ffmpeg, hooks, fleet }: DriverParts) {
  const program = ownProgram();
  return createProcessDriver({
    runsDir: runsDir(context),
    host: hostProcesses,
    hooks,
    own: {
      file: program.file,
      args: [...program.args, ...own.args],
      env: ffmpeg === undefined ? own.env : { ...own.env, FFMPEG_BIN: ffmpeg },
    },
    env: context.environment,
    beatEnv: (runner) => beatEnvironment(runner, own),
    intervalSec: context.settings.heartbeat.intervalSec,
    secrets: () => fleet().secrets,
    warn: (message) => context.log.warn(message),
  });
}

function beatEnvironment(
  runner: RunnerId,
  { natsUrl, apiUrl, heartbeatKey }: OwnCommands,
): Record<string, string> {
  return {
    RUNBEAT_RUNNER: runner,
    NATS_URL: natsUrl,
    RUNNER_HEARTBEAT_URL: `${apiUrl}${heartbeatPath(runner)}`,
    RUNNER_HEARTBEAT_KEY: heartbeatKey,
  };
}

/** Camera runners of older systems post there without naming their runner. */
function heartbeatPath(runner: RunnerId): string {
  const isCamera = runnerParts(runner).kind === "camera";
  return isCamera ? "/api/runner/heartbeat/" : "/api/v1/heartbeats";
}
