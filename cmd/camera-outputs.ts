/** What becomes of a camera's stream beside its being watched. */
import { mkdirSync } from "node:fs";
import type { CameraOutputSpec, CameraSpec } from "../lib/core/fleet.ts";
import type { CameraInput } from "../lib/ffmpeg/arguments.ts";
import { openFfmpegSession } from "../lib/ffmpeg/session.ts";
import type { FfmpegProgram } from "../lib/ffmpeg/version.ts";
import { startCameraOutput } from "../lib/runner/camera-output.ts";
import type { CameraOutput } from "../lib/runner/camera-output.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import type { HeartbeatPart } from "../lib/runner/heartbeat-body.ts";
import { startRecordingCleanup } from "../lib/runner/recordings.ts";
import { watchdogPolicy } from "../lib/runner/watchdog.ts";
import type { Context } from "./context.ts";

export interface CameraOutputs {
  /** The camera's heartbeat, with how its outputs are. */
  told(part: HeartbeatPart): HeartbeatPart;
  stop(): Promise<void>;
}

export interface OutputOptions {
  readonly context: Context;
  readonly ffmpeg: FfmpegProgram;
  readonly input: CameraInput & Pick<CameraSpec, "outputs" | "reconnect">;
  readonly isCameraUp: () => boolean;
}

export function startCameraOutputs(options: OutputOptions): CameraOutputs {
  const { outputs = [] } = options.input;
  const cleanups = outputs.flatMap((spec) => {
    if (spec.kind !== "record" || spec.keepHours === undefined) return [];
    return [startRecordingCleanup(spec.folder, spec.keepHours)];
  });
  const running = outputs.map((spec) => ({ kind: spec.kind, output: start(spec, options) }));
  return {
    told: (part) => withOutputs(part, running),
    stop: async () => {
      for (const end of cleanups) end();
      await Promise.all(running.map(async ({ output }) => await output.stop()));
    },
  };
}

function start(spec: CameraOutputSpec, options: OutputOptions): CameraOutput {
  const { context, ffmpeg, input, isCameraUp } = options;
  return startCameraOutput({
    name: spec.kind === "record" ? "Recording" : "Restreaming",
    isCameraUp,
    policy: watchdogPolicy(0, input.reconnect),
    open: (hooks) => {
      if (spec.kind === "record") mkdirSync(spec.folder, { recursive: true });
      const env = context.environment;
      const session = { ffmpeg, input, output: spec, frames: null, spawn: spawnGroup, env };
      return openFfmpegSession(session, hooks);
    },
  });
}

type Running = readonly {
  readonly kind: CameraOutputSpec["kind"];
  readonly output: CameraOutput;
}[];

function withOutputs(part: HeartbeatPart, running: Running): HeartbeatPart {
  if (running.length === 0) return part;
  const checks = running.flatMap(({ kind, output }) => {
    const isOk = output.isOk();
    return isOk === null ? [] : [[`${kind}_ok`, isOk] as const];
  });
  const errors = running.map(({ output }) => output.error()).filter((error) => error !== "");
  return {
    ...part,
    checks: { ...part.checks, ...Object.fromEntries(checks) },
    last_error: part.last_error || errors.join(" | "),
  };
}
