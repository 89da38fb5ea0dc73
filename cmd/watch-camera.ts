/** Puts one camera together: FFmpeg, analyser, watchdog and heartbeats. */
import { hostname } from "node:os";
import type { CameraSession, SessionEnd } from "../lib/core/camera-session.ts";
import type { CheckResult } from "../lib/core/health-checks.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { RunOrder } from "../lib/core/supervision.ts";
import { backendFor } from "../lib/ffmpeg/hardware.ts";
import { openFfmpegSession } from "../lib/ffmpeg/session.ts";
import type { FfmpegProgram } from "../lib/ffmpeg/version.ts";
import { openAnalyser } from "../lib/runner/analysers/named.ts";
import type { OpenChannel } from "../lib/runner/beat-channel.ts";
import { startCameraRunner } from "../lib/runner/camera-runner.ts";
import type { CameraRunner, ThrottleChange } from "../lib/runner/camera-runner.ts";
import type { CameraTransition } from "../lib/runner/camera-transitions.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import { pictureLimits } from "../lib/runner/picture-watch.ts";
import { ownStartedAt } from "../lib/runner/process-identity.ts";
import { createUsageMeter } from "../lib/runner/process-usage.ts";
import { watchdogPolicy } from "../lib/runner/watchdog.ts";
import { cameraOf } from "./camera-options.ts";
import { startCameraOutputs } from "./camera-outputs.ts";
import type { Context } from "./context.ts";
import { withHealth } from "./health-checks.ts";
import type { Logger } from "./log.ts";
import { openResourceCare } from "./resource-guard.ts";
import type { ResourceCare } from "./resource-guard.ts";

export interface WatchOptions {
  readonly context: Context;
  readonly order: RunOrder;
  readonly ffmpeg: FfmpegProgram;
  /** How its heartbeats leave. */
  readonly open: OpenChannel;
  /** Its process is FFmpeg, not this one, which drives other cameras too. */
  readonly isHosted?: boolean;
  /** Of the process, where it drives other cameras too; else the camera has its own. */
  readonly care?: ResourceCare;
  /** A check of the host has failed or recovered; not told where `care` is given. */
  readonly onCheck?: (result: CheckResult) => void;
  readonly onThrottle?: (change: ThrottleChange) => void;
  readonly onTransition?: (transition: CameraTransition) => void;
  readonly onSession?: (session: CameraSession) => void;
  readonly onSessionEnd?: (session: CameraSession, end: SessionEnd) => void;
}

export interface WatchedCamera {
  readonly camera: CameraRunner;
  /** Ends FFmpeg, the analyser and the heartbeats. */
  stop(): Promise<void>;
}

/** Of this process. */
function identityOf({ runner, intervalSec }: RunOrder) {
  return {
    runner,
    host: hostname(),
    pid: process.pid,
    startedAt: ownStartedAt(),
    intervalSec,
  };
}

function sayChange(log: Logger, runner: RunnerId, { from, to, reason }: CameraTransition): void {
  log.info({ runner, from, to, reason }, from === to ? "the camera fails" : `the camera is ${to}`);
}

/** Watches from now on. @throws AppError `invalid` for an analyser that there is none of. */
export async function watchCamera(options: WatchOptions): Promise<WatchedCamera> {
  const { context, order, isHosted = false } = options;
  const { log, environment: env } = context;
  const { runner } = order;
  const input = cameraOf(order);
  const analyser = await openAnalyser(input.analyse, { spawn: spawnGroup, env });
  const identity = identityOf(order);
  const care = options.care ?? openResourceCare(context, options.onCheck);
  const { guard, host, gpu } = care;
  const meterOf = (pid: number) => createUsageMeter(pid, { host, ...(gpu && { gpu }) });
  let measure = meterOf(process.pid);
  let beats: ReturnType<typeof startHeartbeatClient> | undefined;
  const camera = startCameraRunner({
    open: (frames, hooks, isOnCpu) => {
      const backend = isOnCpu ? "cpu" : backendFor(input.hwaccel);
      const { ffmpeg } = options;
      const session = { ffmpeg, input, backend, frames, spawn: spawnGroup, env };
      return openFfmpegSession(session, hooks);
    },
    analyser,
    policy: watchdogPolicy(input.maxFailures, input.reconnect),
    picture: pictureLimits(input.picture),
    measure: () => measure(),
    labels: { analyser: analyser.name, ffmpeg: options.ffmpeg.version, ...order.labels },
    onTransition: (transition) => {
      sayChange(log, runner, transition);
      options.onTransition?.(transition);
      beats?.beat();
    },
    guard,
    limits: input.throttle,
    onThrottle: ({ on, reason }) => {
      log.info({ runner, reason }, on ? "analysing is throttled" : "all pictures are analysed");
      options.onThrottle?.({ on, reason });
      beats?.beat();
    },
    onError: (reason) => {
      log.warn({ runner, reason }, "the camera has failed");
      beats?.beat();
    },
    onSession: (session) => {
      if (isHosted) {
        identity.pid = session.pid;
        identity.startedAt = session.startedAt;
        measure = meterOf(session.pid);
      }
      options.onSession?.(session);
    },
    onSessionEnd: (session, end) => options.onSessionEnd?.(session, end),
  });
  const isCameraUp = () => camera.isStreaming;
  const outputs = startCameraOutputs({ context, ffmpeg: options.ffmpeg, input, isCameraUp });
  beats = startHeartbeatClient({
    identity,
    snapshotEverySec: context.settings.heartbeat.snapshotEverySec,
    open: options.open,
    collect: () => withHealth(outputs.told(camera.collect()), care.health),
    onError: (error) => log.warn(error.message),
  });
  return {
    camera,
    stop: async () => {
      await Promise.all([camera.stop(), outputs.stop()]);
      await beats.stop();
      if (options.care === undefined) await care.stop();
    },
  };
}
