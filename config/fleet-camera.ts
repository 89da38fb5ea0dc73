import { resolve } from "node:path";
import type { AnalyserProgram, CameraEntry, CameraOutputSpec } from "../lib/core/fleet.ts";
import type { ResourceLimits } from "../lib/core/throttle.ts";
import type { EntryFile } from "./fleet-schema.ts";

type CameraFile = NonNullable<EntryFile["camera"]>;

/** What a camera's entry means depends on where it stands. */
export interface FleetPlace {
  /** The fleet file's: paths are relative to it. */
  readonly folder: string;
  /** Unless a camera says otherwise. */
  readonly areHosted: boolean;
}

/** A camera of the fleet file, its paths made absolute. */
export function cameraOf(camera: CameraFile, place: FleetPlace): CameraEntry {
  const { picture, reconnect } = camera;
  const outputs = outputsOf(camera, place.folder);
  return {
    kind: "camera",
    url: camera.url,
    inputFormat: camera.input_format,
    transport: camera.transport,
    analyse: analyserOf(camera.analyse, place.folder),
    lowLatency: camera.low_latency,
    stallSec: camera.stall_sec,
    maxFailures: camera.max_failures,
    hwaccel: camera.hwaccel,
    throttle: throttleOf(camera.throttle ?? {}),
    isHosted: camera.host ?? place.areHosted,
    ...(outputs.length === 0 ? {} : { outputs }),
    ...(picture === undefined
      ? {}
      : { picture: { blackSec: picture.black_sec, frozenSec: picture.frozen_sec } }),
    ...(reconnect === undefined
      ? {}
      : {
          reconnect: {
            backoffSec: reconnect.backoff_sec,
            degradedAfter: reconnect.degraded_after,
            goodSec: reconnect.good_sec,
            slowSec: reconnect.slow_sec,
          },
        }),
  };
}

function throttleOf(given: NonNullable<CameraFile["throttle"]>): Partial<ResourceLimits> {
  const { max_fps, max_memory_percent, max_queue_size } = given;
  return {
    ...(max_fps === undefined ? {} : { maxFps: max_fps }),
    ...(max_memory_percent === undefined ? {} : { maxMemoryPercent: max_memory_percent }),
    ...(max_queue_size === undefined ? {} : { maxQueueSize: max_queue_size }),
  };
}

function outputsOf({ record, restream }: CameraFile, folder: string): CameraOutputSpec[] {
  const outputs: CameraOutputSpec[] = [];
  if (record !== undefined) {
    const { segment_sec: segmentSec, keep_hours: keepHours } = record;
    outputs.push({ kind: "record", folder: resolve(folder, record.folder), segmentSec, keepHours });
  }
  if (restream !== undefined) outputs.push({ kind: "restream", url: restream });
  return outputs;
}

function analyserOf(analyse: CameraFile["analyse"], folder: string): string | AnalyserProgram {
  if (typeof analyse === "string") {
    return analyse.includes("/") ? resolve(folder, analyse) : analyse;
  }
  const [program, ...args] = analyse.command as [string, ...string[]];
  // A path, not a name that is looked for.
  const file = program.includes("/") ? resolve(folder, program) : program;
  return { ...analyse, command: [file, ...args], cwd: folder };
}
