/** Many cameras in one process: those that the fleet file gives to the host, as the file changes. */
import { unwatchFile, watchFile } from "node:fs";
import { hostname } from "node:os";
import type { CameraSession, SessionEnd } from "../lib/core/camera-session.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { Fleet, FleetEntry } from "../lib/core/fleet.ts";
import { specOf } from "../lib/core/fleet-spec.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { cameraEvent, throttleEvent } from "../lib/core/supervision.ts";
import { loadFleet } from "../config/fleet.ts";
import { locateFfmpeg } from "../lib/ffmpeg/locate.ts";
import type { FfmpegProgram } from "../lib/ffmpeg/version.ts";
import type { CameraTransition } from "../lib/runner/camera-transitions.ts";
import { orderOfEntry } from "./camera-options.ts";
import type { Context } from "./context.ts";
import { openHostLine } from "./host-line.ts";
import type { HostLine } from "./host-line.ts";
import type { RunOrder } from "../lib/core/supervision.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import { ownStartedAt } from "../lib/runner/process-identity.ts";
import { fetchFfmpeg } from "./programs.ts";
import { openResourceCare } from "./resource-guard.ts";
import type { ResourceCare } from "./resource-guard.ts";
import { watchCamera } from "./watch-camera.ts";
import type { WatchedCamera } from "./watch-camera.ts";

const LOOK_EVERY_MS = 1_000;
const STDERR_LINES = 10;

export interface CameraHostOptions {
  /** The fleet file's path. */
  readonly file: string;
  readonly stopping: Promise<string>;
  /** The host process as a runner of its own, which beats; none unless given. */
  readonly self?: RunOrder;
}

/**
 * Drives the cameras until it is stopped. SIGHUP reads the fleet file again, as does its change;
 * a file that is wrong changes nothing. SIGUSR2 makes all cameras try again at once.
 * @throws AppError `invalid` for a fleet file that is wrong or has no camera for the host.
 */
export async function runCameraHost(
  context: Context,
  { file, stopping, self }: CameraHostOptions,
): Promise<void> {
  const { log, environment: env, settings } = context;
  const fleet = loadFleet(file, env);
  if (hostedCameras(fleet).length === 0) {
    const advice = "set camera_host: true in its defaults, or host: true in a camera";
    throw new AppError("invalid", `The fleet file ${file} has no camera for the host: ${advice}`);
  }
  let host: CameraHost | undefined;
  const look = () => {
    try {
      void host?.become(loadFleet(file, env));
    } catch (error) {
      log.warn(`The cameras are as they were: ${messageOf(error)}`);
    }
  };
  // From the first moment on: neither may end a process that has hardly begun.
  process.on("SIGHUP", look);
  process.on("SIGUSR2", () => host?.reconnect());
  const fetch = async () => await fetchFfmpeg(context);
  const ffmpeg = await locateFfmpeg({ bin: settings.ffmpeg.bin, env, fetch });
  const line = openHostLine(context);
  const care = openResourceCare(context);
  const driven = new CameraHost(context, ffmpeg, line, care);
  host = driven;
  watchFile(file, { interval: LOOK_EVERY_MS }, look);
  await driven.become(fleet);
  const beats = self === undefined ? undefined : beatAs(self, context, line, () => driven.size);
  log.info({ cameras: driven.size }, "the cameras are watched");
  log.info({ reason: await stopping }, "the cameras stop");
  unwatchFile(file, look);
  host = undefined;
  await driven.stop();
  await beats?.stop();
  await care.stop();
  await line.close();
}

/** The FFmpegs below it are others' processes, so only its own memory counts. */
function beatAs(self: RunOrder, context: Context, line: HostLine, cameras: () => number) {
  const { runner, intervalSec, labels } = self;
  const startedAt = ownStartedAt();
  return startHeartbeatClient({
    identity: { runner, host: hostname(), pid: process.pid, startedAt, intervalSec },
    snapshotEverySec: context.settings.heartbeat.snapshotEverySec,
    open: line.channel(runner),
    collect: () => ({
      health: "healthy",
      labels,
      metrics: { cameras: cameras() },
      resources: { memory_mb: Math.round(process.memoryUsage.rss() / 2 ** 20) },
    }),
    onError: (error) => context.log.warn(error.message),
  });
}

function hostedCameras({ runners }: Fleet): FleetEntry[] {
  return [...runners.values()].filter(
    ({ driver }) => driver.kind === "camera" && driver.isHosted === true,
  );
}

class CameraHost {
  private readonly context: Context;
  private readonly ffmpeg: FfmpegProgram;
  private readonly line: HostLine;
  private readonly care: ResourceCare;
  private readonly cameras = new Map<RunnerId, { spec: string; watched: WatchedCamera }>();
  private changing: Promise<void> = Promise.resolve();

  constructor(context: Context, ffmpeg: FfmpegProgram, line: HostLine, care: ResourceCare) {
    this.context = context;
    this.ffmpeg = ffmpeg;
    this.line = line;
    this.care = care;
  }

  get size(): number {
    return this.cameras.size;
  }

  /** One change after the other: a camera must have ended before it is started anew. */
  async become(fleet: Fleet): Promise<void> {
    this.changing = this.changing.then(async () => await this.change(hostedCameras(fleet)));
    await this.changing;
  }

  reconnect(): void {
    for (const { watched } of this.cameras.values()) watched.camera.reconnect();
  }

  async stop(): Promise<void> {
    this.changing = this.changing.then(async () => await this.change([]));
    await this.changing;
  }

  private async change(wanted: readonly FleetEntry[]): Promise<void> {
    const specs = new Map(wanted.map((entry) => [entry.runner, specOf(entry)]));
    const gone = [...this.cameras].filter(([runner, { spec }]) => specs.get(runner) !== spec);
    await Promise.all(gone.map(async ([runner]) => await this.end(runner)));
    for (const entry of wanted) await this.begin(entry);
  }

  private async end(runner: RunnerId): Promise<void> {
    const watched = this.cameras.get(runner)?.watched;
    this.cameras.delete(runner);
    await watched?.stop();
  }

  /** One that can't be started must not keep the others from it. */
  private async begin(entry: FleetEntry): Promise<void> {
    const { runner } = entry;
    if (this.cameras.has(runner)) return;
    const { context, ffmpeg, line, care } = this;
    try {
      const watched = await watchCamera({
        context,
        order: orderOfEntry(context, entry),
        ffmpeg,
        open: line.channel(runner),
        isHosted: true,
        care,
        onThrottle: ({ on, reason }) => line.tell(runner, throttleEvent(on), { reason }),
        onTransition: (transition) => this.changed(runner, transition),
        onSession: (session) => this.spawned(runner, session),
        onSessionEnd: (session, end) => this.exited(runner, session, end),
      });
      this.cameras.set(runner, { spec: specOf(entry), watched });
    } catch (error) {
      context.log.error(`${runner} is not watched: ${messageOf(error)}`);
    }
  }

  private changed(runner: RunnerId, { from, to, reason }: CameraTransition): void {
    const type = cameraEvent(from, to);
    if (type === "camera_online") this.line.tell(runner, type, {});
    else if (type !== undefined) this.line.tell(runner, type, { reason });
  }

  private spawned(runner: RunnerId, session: CameraSession): void {
    const process = processOf(session);
    const argv = [...session.argv];
    const msgId = `${runner} spawned ${process.host} ${process.pid} ${process.started_at}`;
    this.line.tell(runner, "process_spawned", { ...process, argv, env: {}, attempt: 0 }, { msgId });
  }

  private exited(runner: RunnerId, session: CameraSession, { exit, tail }: SessionEnd): void {
    const process = processOf(session);
    const { code: exit_code, signal } = exit;
    const ran_sec = session.startedAt === 0 ? 0 : (Date.now() - session.startedAt) / 1000;
    const stderr = tail.slice(-STDERR_LINES);
    const msgId = `${runner} exited ${process.host} ${process.pid} ${process.started_at}`;
    const data = { ...process, exit_code, signal, ran_sec: Math.max(0, ran_sec), stderr };
    this.line.tell(runner, "process_exited", data, { msgId });
  }
}

function processOf({ pid, startedAt }: CameraSession) {
  return { host: hostname(), pid, started_at: startedAt };
}
