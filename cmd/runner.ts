import { resolve } from "node:path";
import { Command, Option } from "commander";
import { messageOf } from "../lib/core/errors.ts";
import { cameraEvent, throttleEvent } from "../lib/core/supervision.ts";
import type { RunOrder } from "../lib/core/supervision.ts";
import { TRANSPORTS } from "../lib/ffmpeg/arguments.ts";
import { locateFfmpeg } from "../lib/ffmpeg/locate.ts";
import { ownStartedAt } from "../lib/runner/process-identity.ts";
import { openSupervisorLink } from "../lib/runner/supervisor-link.ts";
import type { SupervisorLink } from "../lib/runner/supervisor-link.ts";
import { beatChannel } from "./beat-options.ts";
import { analyserName, cameraId, count, orderOf, positive } from "./camera-options.ts";
import type { CameraOptions } from "./camera-options.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { openOwnEvents } from "./own-events.ts";
import { fetchFfmpeg } from "./programs.ts";
import { addRunnerOrders } from "./runner-orders.ts";
import { supervisedContext } from "./supervised-context.ts";
import { untilStopped } from "./until-stopped.ts";
import { watchCamera } from "./watch-camera.ts";
import type { WatchedCamera, WatchOptions } from "./watch-camera.ts";

const EXAMPLES = `
The camera's entry is taken from the fleet file, unless --url gives one. SIGUSR2 makes it try again
at once.

Examples:
  $ runbeat runner camera/front-door/hd
  $ runbeat runner camera/pattern/demo --url testsrc2=rate=15 --input-format lavfi --analyse motion
  $ runbeat runner --host --fleet fleet.yaml      # all cameras with host: true in one process`;

export function command(): Command {
  return addRunnerOrders(new Command("runner"))
    .description("Watches one camera: decodes it with FFmpeg, analyses it and beats for it.")
    .argument("[id]", "camera/<name>/<profile>, or <name>/<profile>")
    .option("--host", "watch all cameras that the fleet file gives to the host, in this process")
    .option("--fleet <file>", "the fleet file (default: RUNBEAT_FLEET, else the demo fleet)")
    .option("--url <url>", "the stream; a password is safer in the fleet file")
    .option("--input-format <format>", "FFmpeg's name of a format, e.g. lavfi")
    .addOption(new Option("--transport <transport>", "of RTSP").choices(TRANSPORTS))
    .option("--analyse <name>", "none, motion, or the path of a module", analyserName)
    .option("--low-latency", "show pictures sooner, at the risk of damaged ones")
    .option("--stall <seconds>", "no new frame for so long is a failure (default: 10)", positive)
    .option("--max-failures <count>", "give up after so many; 0: never (default: 10)", count)
    .option("--interval <seconds>", "how often to beat (default: as configured)", positive)
    .addOption(new Option("--supervised").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action(async (id: string | undefined, options: CameraOptions, self: Command) => {
      const context = openContext(self);
      if (options.host === true) return await runHost(context, options);
      const stopping = untilStopped();
      if (options.supervised === true) await runSupervised(context, stopping, runReporting);
      else await runAlone(context, orderOf(context, cameraId(id), options), stopping);
    });
}

async function runHost(context: Context, { fleet, supervised }: CameraOptions): Promise<void> {
  const stopping = untilStopped(["SIGINT", "SIGTERM"]);
  const file = fleet === undefined ? context.paths.fleetFile : resolve(fleet);
  // Loaded here only: a process with one camera does without the whole of the NATS client.
  const { runCameraHost } = await import("./camera-host.ts");
  if (supervised !== true) return await runCameraHost(context, { file, stopping });
  await runSupervised(context, stopping, async (inner, self) => {
    await runCameraHost(inner, { file, stopping, self });
  });
}

async function runAlone(
  context: Context,
  order: RunOrder,
  stopping: Promise<string>,
): Promise<void> {
  const events = openOwnEvents(context, order.runner, "runner");
  await runUntil(context, order, stopping, {
    onTransition: ({ from, to, reason }) => {
      const type = cameraEvent(from, to);
      if (type === "camera_online") events.tell(type, {});
      else if (type !== undefined) events.tell(type, { reason });
    },
    onThrottle: ({ on, reason }) => events.tell(throttleEvent(on), { reason }),
    onCheck: ({ ok, check, message, value }) =>
      events.tell(ok ? "check_recovered" : "check_failed", { check, message, value }),
  });
  await events.close();
}

type Run = (
  context: Context,
  order: RunOrder,
  stopping: Promise<string>,
  link: SupervisorLink,
) => Promise<void>;

async function runReporting(...[context, order, stopping, link]: Parameters<Run>): Promise<void> {
  await runUntil(context, order, stopping, {
    onTransition: ({ from, to, reason }) => link.report({ event: "camera", from, to, reason }),
    onThrottle: ({ on, reason }) => link.report({ event: "throttle", on, reason }),
  });
}

/** What its enforcer is to know of the process's own life. */
async function runSupervised(base: Context, stopping: Promise<string>, run: Run): Promise<void> {
  const link = openSupervisorLink();
  const context = supervisedContext(base, link);
  const order = await Promise.race([link.order, stopping]);
  if (typeof order === "string") return;
  link.report({ event: "spawned", pid: process.pid, started_at: ownStartedAt() });
  const exited = (exit_code: number, stderr: string[]) => {
    const ran_sec = Math.round(performance.now()) / 1000;
    link.report({ event: "exited", exit_code, signal: null, ran_sec, stderr });
  };
  try {
    await run(context, order, stopping, link);
    exited(0, []);
  } catch (error) {
    exited(1, [messageOf(error)]);
    throw error;
  } finally {
    link.close();
  }
}

async function runUntil(
  context: Context,
  order: RunOrder,
  stopping: Promise<string>,
  hooks: Pick<WatchOptions, "onTransition" | "onThrottle" | "onCheck">,
): Promise<void> {
  const { log, environment: env, settings } = context;
  let watched: WatchedCamera | undefined;
  process.on("SIGUSR2", () => watched?.camera.reconnect());
  // Signal handlers alone do not keep a process alive, and a camera that is given up has nothing.
  const alive = setInterval(() => {}, 60_000);
  try {
    const fetch = async () => await fetchFfmpeg(context);
    const ffmpeg = await locateFfmpeg({ bin: settings.ffmpeg.bin, env, fetch });
    log.debug({ ffmpeg: ffmpeg.path, version: ffmpeg.version }, "FFmpeg found");
    const open = beatChannel(context, order.runner);
    watched = await watchCamera({ context, order, ffmpeg, open, ...hooks });
    log.info({ runner: order.runner, reason: await stopping }, "the camera stops");
    await watched.stop();
  } finally {
    clearInterval(alive);
  }
}
