import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { fleetEntry, loadFleet } from "../config/fleet.ts";
import { AppError } from "../lib/core/errors.ts";
import { parseRunnerId, runnerParts } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { CameraSpec } from "../lib/core/fleet.ts";
import { cameraEvent } from "../lib/core/supervision.ts";
import type { RunOrder } from "../lib/core/supervision.ts";
import { TRANSPORTS } from "../lib/ffmpeg/arguments.ts";
import { locateFfmpeg } from "../lib/ffmpeg/locate.ts";
import { openFfmpegSession } from "../lib/ffmpeg/session.ts";
import type { FfmpegProgram } from "../lib/ffmpeg/version.ts";
import { ANALYSER_NAMES, createAnalyser } from "../lib/runner/analysers/named.ts";
import { startCameraRunner } from "../lib/runner/camera-runner.ts";
import type { CameraRunner, CameraTransition } from "../lib/runner/camera-runner.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import type { HeartbeatHandle } from "../lib/runner/heartbeat-client.ts";
import { ownStartedAt } from "../lib/runner/process-identity.ts";
import { createUsageMeter } from "../lib/runner/process-usage.ts";
import { openSupervisorLink } from "../lib/runner/supervisor-link.ts";
import { DEFAULT_WATCHDOG } from "../lib/runner/watchdog.ts";
import { beatChannel } from "./beat-options.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { openOwnEvents } from "./own-events.ts";
import { fetchFfmpeg } from "./programs.ts";
import { untilStopped } from "./until-stopped.ts";

interface Options {
  readonly fleet?: string;
  readonly url?: string;
  readonly inputFormat?: string;
  readonly transport?: (typeof TRANSPORTS)[number];
  readonly analyse?: string;
  readonly lowLatency?: true;
  readonly stall?: number;
  readonly maxFailures?: number;
  readonly interval?: number;
  readonly supervised?: true;
}

const EXAMPLES = `
The camera's entry is taken from the fleet file, unless --url gives one.

Examples:
  $ runbeat runner camera/front-door/hd
  $ runbeat runner camera/pattern/demo --url testsrc2=rate=15 --input-format lavfi --analyse motion`;

export function command(): Command {
  return new Command("runner")
    .description("Watches one camera: decodes it with FFmpeg, analyses it and beats for it.")
    .argument("<id>", "camera/<name>/<profile>, or <name>/<profile>")
    .option("--fleet <file>", "the fleet file (default: RUNBEAT_FLEET, else the demo fleet)")
    .option("--url <url>", "the stream; a password is safer in the fleet file")
    .option("--input-format <format>", "FFmpeg's name of a format, e.g. lavfi")
    .addOption(new Option("--transport <transport>", "of RTSP").choices(TRANSPORTS))
    .addOption(new Option("--analyse <name>", "what to look for").choices(ANALYSER_NAMES))
    .option("--low-latency", "show pictures sooner, at the risk of damaged ones")
    .option("--stall <seconds>", "no new frame for so long is a failure (default: 10)", positive)
    .option("--max-failures <count>", "give up after so many; 0: never (default: 10)", count)
    .option("--interval <seconds>", "how often to beat (default: as configured)", positive)
    .addOption(new Option("--supervised").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action(async (id: string, options: Options, self: Command) => {
      const context = openContext(self);
      const stopping = untilStopped();
      if (options.supervised === true) await runSupervised(context, stopping);
      else await runAlone(context, orderOf(context, cameraId(id), options), stopping);
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0.1 && value <= 86_400) return value;
  throw new InvalidArgumentError("It must be a number of seconds from 0.1 to 86400.");
}

function count(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of at least 0.");
}

function cameraId(text: string): RunnerId {
  const runner = parseRunnerId(text.split("/").length === 2 ? `camera/${text}` : text);
  if (runnerParts(runner).kind === "camera") return runner;
  throw new AppError(
    "invalid",
    `${runner} is no camera: run a command with runbeat run --runner ${runner} -- COMMAND`,
  );
}

function orderOf(context: Context, runner: RunnerId, options: Options): RunOrder {
  const order = options.url === undefined ? orderOfFleet(context, runner, options) : undefined;
  const camera = { ...(order?.camera ?? NEW_CAMERA), ...givenOptions(options) };
  const intervalSec = order?.intervalSec ?? context.settings.heartbeat.intervalSec;
  return {
    order: "run",
    runner,
    intervalSec: options.interval ?? intervalSec,
    labels: order?.labels ?? {},
    camera,
  };
}

const NEW_CAMERA: CameraSpec = {
  url: "",
  inputFormat: undefined,
  transport: undefined,
  analyse: "none",
  lowLatency: false,
  stallSec: 10,
  maxFailures: 10,
};

function givenOptions(options: Options): Partial<CameraSpec> {
  const { url, inputFormat, transport, analyse, lowLatency, stall, maxFailures } = options;
  return {
    ...(url === undefined ? {} : { url }),
    ...(inputFormat === undefined ? {} : { inputFormat }),
    ...(transport === undefined ? {} : { transport }),
    ...(analyse === undefined ? {} : { analyse }),
    ...(lowLatency === undefined ? {} : { lowLatency }),
    ...(stall === undefined ? {} : { stallSec: stall }),
    ...(maxFailures === undefined ? {} : { maxFailures }),
  };
}

function orderOfFleet(context: Context, runner: RunnerId, options: Options): RunOrder {
  const fleet = loadFleet(options.fleet ?? context.paths.fleetFile, context.environment);
  const { driver, intervalSec, labels } = fleetEntry(fleet, runner);
  if (driver.kind !== "camera") {
    throw new AppError("invalid", `The fleet file has a ${driver.kind} for ${runner}, no camera`);
  }
  return {
    order: "run",
    runner,
    intervalSec: intervalSec ?? context.settings.heartbeat.intervalSec,
    labels,
    camera: driver,
  };
}

async function runAlone(
  context: Context,
  order: RunOrder,
  stopping: Promise<string>,
): Promise<void> {
  const events = openOwnEvents(context, order.runner, "runner");
  await runUntil(context, order, stopping, ({ from, to, reason }) => {
    const type = cameraEvent(from, to);
    if (type === "camera_online") events.tell(type, {});
    else if (type !== undefined) events.tell(type, { reason });
  });
  await events.close();
}

async function runSupervised(context: Context, stopping: Promise<string>): Promise<void> {
  const link = openSupervisorLink();
  const order = await Promise.race([link.order, stopping]);
  if (typeof order === "string") return;
  await runUntil(context, order, stopping, (transition) => {
    link.report({ event: "camera", ...transition });
  });
  if (process.connected) process.disconnect();
}

async function runUntil(
  context: Context,
  order: RunOrder,
  stopping: Promise<string>,
  onTransition: (transition: CameraTransition) => void,
): Promise<void> {
  const { log, environment: env, settings } = context;
  // Signal handlers alone do not keep a process alive, and a camera that is given up has nothing.
  const alive = setInterval(() => {}, 60_000);
  try {
    const fetch = async () => await fetchFfmpeg(context);
    const ffmpeg = await locateFfmpeg({ bin: settings.ffmpeg.bin, env, fetch });
    log.debug({ ffmpeg: ffmpeg.path, version: ffmpeg.version }, "FFmpeg found");
    const running = start(context, order, ffmpeg, onTransition);
    log.info({ runner: order.runner, reason: await stopping }, "the camera stops");
    await running.camera.stop();
    await running.beats.stop();
  } finally {
    clearInterval(alive);
  }
}

interface Running {
  readonly camera: CameraRunner;
  readonly beats: HeartbeatHandle;
}

function start(
  context: Context,
  order: RunOrder,
  ffmpeg: FfmpegProgram,
  onTransition: (transition: CameraTransition) => void,
): Running {
  const { log, environment: env } = context;
  const input = cameraOf(order);
  const open = beatChannel(context, order.runner);
  let beats: HeartbeatHandle | undefined;
  const camera = startCameraRunner({
    open: (frames, hooks) =>
      openFfmpegSession({ ffmpeg, input, frames, spawn: spawnGroup, env }, hooks),
    analyser: createAnalyser(input.analyse),
    policy: { ...DEFAULT_WATCHDOG, maxFailures: input.maxFailures },
    measure: createUsageMeter(process.pid),
    labels: { analyser: input.analyse, backend: "cpu", ffmpeg: ffmpeg.version, ...order.labels },
    onTransition: (transition) => {
      const { from, to, reason } = transition;
      log.info({ runner: order.runner, from, to, reason }, `the camera is ${to}`);
      onTransition(transition);
      beats?.beat();
    },
  });
  beats = startHeartbeatClient({
    identity: {
      runner: order.runner,
      host: hostname(),
      pid: process.pid,
      startedAt: ownStartedAt(),
      intervalSec: order.intervalSec,
    },
    snapshotEverySec: context.settings.heartbeat.snapshotEverySec,
    open,
    collect: () => camera.collect(),
    onError: (error) => log.warn(error.message),
  });
  return { camera, beats };
}

function cameraOf({ camera }: RunOrder) {
  if (camera === undefined) throw new AppError("internal", "the order has no camera");
  const { inputFormat, transport, ...rest } = camera;
  return {
    ...rest,
    ...(inputFormat === undefined ? {} : { inputFormat }),
    ...(transport === undefined ? {} : { transport }),
  };
}
