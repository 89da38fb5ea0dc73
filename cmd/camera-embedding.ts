/** The package's export `runbeat/camera`: a watched camera within a Node program of one's own. */
import { readEnvironment } from "../config/environment.ts";
import { messageOf } from "../lib/core/errors.ts";
import type { AnalyserProgram, Hardware, PictureSpec, ReconnectSpec } from "../lib/core/fleet.ts";
import type { CameraState } from "../lib/core/heartbeat.ts";
import { redact } from "../lib/core/redact.ts";
import type { ResourceLimits } from "../lib/core/throttle.ts";
import type { Transport } from "../lib/ffmpeg/arguments.ts";
import { backendFor } from "../lib/ffmpeg/hardware.ts";
import { locateFfmpeg } from "../lib/ffmpeg/locate.ts";
import { openFfmpegSession } from "../lib/ffmpeg/session.ts";
import type { Analyser } from "../lib/runner/analysers/analyser.ts";
import { openAnalyser } from "../lib/runner/analysers/named.ts";
import { startCameraRunner } from "../lib/runner/camera-runner.ts";
import type { CameraRunner, ThrottleChange } from "../lib/runner/camera-runner.ts";
import type { CameraTransition } from "../lib/runner/camera-transitions.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import type { FrameFigures } from "../lib/runner/frame-queue.ts";
import type { HeartbeatPart } from "../lib/runner/heartbeat-body.ts";
import { pictureLimits } from "../lib/runner/picture-watch.ts";
import { createUsageMeter } from "../lib/runner/process-usage.ts";
import type { ResourceGuard } from "../lib/runner/resource-guard.ts";
import { watchdogPolicy } from "../lib/runner/watchdog.ts";

export type { Frame, FrameFormat } from "../lib/core/camera-session.ts";
export type { CameraState } from "../lib/core/heartbeat.ts";
export type { Analyser, Analysis } from "../lib/runner/analysers/analyser.ts";
export type { ThrottleChange } from "../lib/runner/camera-runner.ts";
export type { CameraTransition } from "../lib/runner/camera-transitions.ts";
export type { FrameFigures } from "../lib/runner/frame-queue.ts";

/** As in the fleet file, where these are explained; all but `url` may be left out. */
export interface StartCameraOptions {
  readonly url: string;
  /** FFmpeg's name of a format, e.g. `lavfi`. */
  readonly inputFormat?: string;
  /** `tcp` unless given. */
  readonly transport?: Transport;
  readonly lowLatency?: boolean;
  /** 10 unless given. */
  readonly stallSec?: number;
  /** 10 unless given; 0: tried for ever. */
  readonly maxFailures?: number;
  readonly hwaccel?: Hardware;
  readonly picture?: PictureSpec;
  readonly reconnect?: ReconnectSpec;
  /** `none`, `motion`, the absolute path of a module, a program, or an object of one's own. */
  readonly analyser?: string | AnalyserProgram | Analyser;
  /** Path of FFmpeg; else FFMPEG_BIN, the package ffmpeg-static, or the PATH. */
  readonly ffmpeg?: string;
  /** Of `runbeat/resources`, one for all cameras: analysing is throttled where it says so. */
  readonly guard?: ResourceGuard;
  /** Of this camera, where the guard's own are not right for it. */
  readonly throttle?: Partial<ResourceLimits>;
  /** Analysing is throttled from now on, or no longer. */
  readonly onThrottle?: (change: ThrottleChange) => void;
  /** The camera's state has changed. */
  readonly onTransition?: (transition: CameraTransition) => void;
  /** A picture was analysed. */
  readonly onFrame?: (figures: FrameFigures) => void;
  /** A connection has failed: what happened, what to do, when it is tried again. Redacted. */
  readonly onError?: (message: string) => void;
}

/** It keeps its process alive until it is stopped. */
export interface EmbeddedCamera {
  readonly state: CameraState;
  /** What has come since the last call, fit for `startHeartbeat({ collect })`. */
  collect(): HeartbeatPart;
  /** The last hundred changes of the state, oldest first. */
  history(): readonly CameraTransition[];
  /** Tries again at once, as if the camera had never failed. */
  reconnect(): void;
  /** Ends the stream; answers once FFmpeg and the analyser are gone. */
  stop(): Promise<void>;
}

/**
 * Watches a camera from now on: connects, notices stalls and bad pictures, connects again.
 * @throws AppError `unavailable` without an FFmpeg, `invalid` for a name of no analyser.
 */
export async function startCamera(options: StartCameraOptions): Promise<EmbeddedCamera> {
  const env = readEnvironment();
  const ffmpeg = await locateFfmpeg({ bin: options.ffmpeg ?? env["FFMPEG_BIN"] ?? null, env });
  const wanted = options.analyser ?? "none";
  const isOwn = typeof wanted === "object" && "analyse" in wanted;
  const analyser = isOwn ? wanted : await openAnalyser(wanted, { spawn: spawnGroup, env });
  const { url, inputFormat, transport, lowLatency = false, stallSec = 10 } = options;
  const input = {
    url,
    lowLatency,
    stallSec,
    ...(inputFormat === undefined ? {} : { inputFormat }),
    ...(transport === undefined ? {} : { transport }),
  };
  const camera = startCameraRunner({
    open: (frames, hooks, isOnCpu) => {
      const backend = isOnCpu ? "cpu" : backendFor(options.hwaccel);
      return openFfmpegSession({ ffmpeg, input, backend, frames, spawn: spawnGroup, env }, hooks);
    },
    analyser,
    policy: watchdogPolicy(options.maxFailures ?? 10, options.reconnect),
    picture: pictureLimits(options.picture),
    measure: createUsageMeter(process.pid),
    labels: { analyser: analyser.name, ffmpeg: ffmpeg.version },
    ...(options.guard && { guard: options.guard }),
    limits: options.throttle,
    ...guarded(options),
  });
  return embedded(camera);
}

function embedded(camera: CameraRunner): EmbeddedCamera {
  return {
    get state() {
      return camera.state;
    },
    collect: () => camera.collect(),
    history: () => camera.history(),
    reconnect: () => camera.reconnect(),
    stop: async () => await camera.stop(),
  };
}

/** A host's callback that throws must not stop its camera: it is told to `onError`. */
function guarded({ onTransition, onThrottle, onFrame, onError }: StartCameraOptions) {
  const tell = (message: string) => {
    try {
      onError?.(message);
    } catch {
      // There is nobody left to tell.
    }
  };
  const guard =
    <T>(name: string, callback: ((value: T) => void) | undefined) =>
    (value: T) => {
      try {
        callback?.(value);
      } catch (error) {
        tell(redact(`${name} threw: ${messageOf(error)}`));
      }
    };
  return {
    onTransition: guard("onTransition", onTransition),
    onThrottle: guard("onThrottle", onThrottle),
    onFrame: guard("onFrame", onFrame),
    onError: tell,
  };
}
