/** The enforcer as `runbeat up` runs it: the fleet's runners on this machine. */
import { hostname } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../config/project-root.ts";
import { messageOf } from "../lib/core/errors.ts";
import type { Fleet } from "../lib/core/fleet.ts";
import { DEFAULT_STABLE_SEC } from "../lib/core/restart-policy.ts";
import { runnerParts } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { startEnforcer } from "../lib/enforcer/enforcer.ts";
import type { Enforcer, PublishEvent } from "../lib/enforcer/enforcer.ts";
import { openOutputFile } from "../lib/enforcer/output-file.ts";
import { locateFfmpeg } from "../lib/ffmpeg/locate.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { createEventPublisher } from "../lib/nats/event-publisher.ts";
import { endLeftover, spawnGroup } from "../lib/runner/child-group.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { fetchFfmpeg } from "./programs.ts";
import { prefixesOf } from "./stream-options.ts";

export interface FleetRunnersOptions {
  readonly fleet: Fleet;
  readonly natsUrl: string;
  /** Where heartbeats over HTTP go: the API's own address. */
  readonly apiUrl: string;
  readonly heartbeatKey: string;
  /** Environment of our own commands: how to reach NATS, the data folder, what flags said. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Arguments of our own commands after their name, e.g. `["--config", "x.yaml"]`. */
  readonly args: readonly string[];
  readonly signal?: AbortSignal;
}

export interface FleetRunners {
  readonly enforcer: Enforcer;
  /** Ends every runner, then waits up to 2 s for the last events to be stored. */
  stop(): Promise<void>;
}

/** Starts the fleet. @throws AppError where NATS can't be reached. */
export async function startFleetRunners(
  context: Context,
  options: FleetRunnersOptions,
): Promise<FleetRunners> {
  const { log, settings } = context;
  const { fleet, natsUrl, signal } = options;
  const ffmpeg = await findFfmpeg(context, options);
  const nc = await connectNats({
    ...natsOptions(context, "runbeat enforcer"),
    url: natsUrl,
    ...(signal === undefined ? {} : { signal }),
  });
  const by = `enforcer@${hostname()}`;
  const publisher = createEventPublisher(nc, { prefixes: prefixesOf(settings), by, log });
  const publish: PublishEvent = (runner, type, data, msgId) => {
    const given = { atMs: Date.now(), ...(msgId === undefined ? {} : { msgId }) };
    void publisher.publish(runner, type, data, given).catch(() => {});
  };
  const enforcer = startEnforcer({
    fleet,
    restart: restartSettings(settings),
    intervalSec: settings.heartbeat.intervalSec,
    host: hostname(),
    spawn: spawnGroup,
    own: ownCommands(options, ffmpeg),
    env: context.environment,
    beatEnv: (runner) => beatEnvironment(runner, options),
    publish,
    openOutput: (runner) => outputOf(context, runner),
    endLeftover,
    log,
  });
  return {
    enforcer,
    async stop() {
      await enforcer.stop();
      await publisher.close();
      await nc.close();
    },
  };
}

/**
 * Found once for all cameras, so that it is not fetched by each of them. Where there is none they
 * say so themselves, each in its own time line.
 */
async function findFfmpeg(
  context: Context,
  { fleet, signal }: FleetRunnersOptions,
): Promise<string | undefined> {
  const hasCamera = [...fleet.runners.values()].some(({ driver }) => driver.kind === "camera");
  if (!hasCamera) return undefined;
  const { settings, environment: env, log } = context;
  try {
    const fetch = async () => await fetchFfmpeg(context, signal);
    const { path, version } = await locateFfmpeg({ bin: settings.ffmpeg.bin, env, fetch });
    log.info({ ffmpeg: path, version }, "FFmpeg for the cameras");
    return path;
  } catch (error) {
    log.error(messageOf(error));
    return undefined;
  }
}

function restartSettings({ restart }: Context["settings"]) {
  return {
    isEnabled: restart.enabled,
    backoffSec: restart.backoffSec,
    maxAttempts: restart.maxAttempts,
    cooldownSec: restart.cooldownSec,
    stableSec: DEFAULT_STABLE_SEC,
  };
}

function ownCommands({ env, args }: FleetRunnersOptions, ffmpeg: string | undefined) {
  const program = join(projectRoot(), "dist", "cmd", "runbeat.js");
  return {
    file: process.execPath,
    args: [program, ...args],
    env: ffmpeg === undefined ? env : { ...env, FFMPEG_BIN: ffmpeg },
  };
}

function beatEnvironment(
  runner: RunnerId,
  { natsUrl, apiUrl, heartbeatKey }: FleetRunnersOptions,
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

function outputOf({ paths, log }: Context, runner: RunnerId) {
  const path = join(paths.logsDir, `${runner}.log`);
  return openOutputFile(path, (error) => {
    log.warn({ runner }, `its output can't be kept in ${path}: ${error.message}`);
  });
}
