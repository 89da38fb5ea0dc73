/** The fleet: which runners should run, how, and how they are restarted. */
import type { RunnerId } from "./runner-id.ts";
import type { ResourceLimits } from "./throttle.ts";

/** An analyser from outside: reads raw pictures on stdin and writes a JSON line for each. */
export interface AnalyserProgram {
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string;
  /** Pictures as it wants them. */
  readonly width: number;
  readonly height: number;
  readonly pixels: "gray" | "rgb24";
  /** At most so many a second. */
  readonly fps: number;
}

/** From when on pictures that come are no good, seconds; 0: never; undefined: as usual. */
export interface PictureSpec {
  readonly blackSec?: number | undefined;
  readonly frozenSec?: number | undefined;
}

/** When a camera is tried again; undefined: as usual. */
export interface ReconnectSpec {
  readonly backoffSec?: readonly number[] | undefined;
  readonly degradedAfter?: number | undefined;
  readonly goodSec?: number | undefined;
  readonly slowSec?: number | undefined;
}

export const HARDWARE = ["none", "auto", "cuda", "vaapi"] as const;
/** What decodes; `auto`: what this host seems to have. */
export type Hardware = (typeof HARDWARE)[number];

/** Where a camera's stream goes as it is, beside being watched. */
export type CameraOutputSpec =
  | {
      readonly kind: "record";
      readonly folder: string;
      /** Length of a file. */
      readonly segmentSec: number;
      /** Older files are removed; undefined: none is. */
      readonly keepHours: number | undefined;
    }
  | { readonly kind: "restream"; readonly url: string };

/** One RTSP or other camera. */
export interface CameraSpec {
  readonly url: string;
  /** FFmpeg's name of a format; FFmpeg finds it out unless given. */
  readonly inputFormat: string | undefined;
  readonly transport: "tcp" | "udp" | "udp_multicast" | "http" | undefined;
  /** Name of an analyser, the absolute path of a module that has one, or a program. */
  readonly analyse: string | AnalyserProgram;
  readonly lowLatency: boolean;
  /** No new frame for so long is a failure. */
  readonly stallSec: number;
  /** Failures in a row after which it is not tried again; 0: tried for ever. */
  readonly maxFailures: number;
  /** `none` unless given. */
  readonly hwaccel?: Hardware;
  readonly outputs?: readonly CameraOutputSpec[];
  readonly picture?: PictureSpec;
  readonly reconnect?: ReconnectSpec;
  /** From when on its analysing is throttled; what is left out: as configured. */
  readonly throttle?: Partial<ResourceLimits>;
}

/** A check of a command from outside: an address that must answer, or a program that must succeed. */
export interface ProbeSpec {
  readonly http: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly everySec: number;
  readonly timeoutSec: number;
}

export interface CommandSpec {
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly cwd: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly probe: ProbeSpec | undefined;
}

/** A command's `env` goes beyond the environment that it inherits. */
export interface CommandEntry extends CommandSpec {
  readonly kind: "command";
  /** It publishes its own heartbeats and is not wrapped. */
  readonly beatsItself: boolean;
}

export interface CameraEntry extends CameraSpec {
  readonly kind: "camera";
  /** One process drives this camera together with others. */
  readonly isHosted?: boolean;
}

export type Driver =
  | CameraEntry
  | CommandEntry
  | { readonly kind: "docker"; readonly container: string }
  | { readonly kind: "systemd"; readonly unit: string }
  | { readonly kind: "external" }
  /** The process that drives this host's hosted cameras; in no file, the enforcer adds it. */
  | { readonly kind: "camera_host" };

/** How a runner is restarted; undefined: as configured. */
export interface RestartOverrides {
  readonly backoffSec: readonly number[] | undefined;
  readonly maxAttempts: number | undefined;
  readonly cooldownSec: number | undefined;
  readonly stableSec: number | undefined;
}

/** Ages for the status; only what is given. */
export interface ThresholdOverrides {
  readonly onlineSec?: number;
  readonly staleSec?: number;
  readonly offlineSec?: number;
  readonly startGraceSec?: number;
}

export interface LimitsEntry {
  readonly memoryMb: number | undefined;
  readonly cpuPercent: number | undefined;
  readonly vramMb: number | undefined;
  readonly forSec: number;
}

/** One runner, the fleet's defaults filled in. */
export interface FleetEntry {
  readonly runner: RunnerId;
  readonly driver: Driver;
  /** Null: as configured. */
  readonly intervalSec: number | null;
  readonly restart: RestartOverrides;
  readonly thresholds: ThresholdOverrides;
  readonly limits: LimitsEntry | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Fleet {
  /** Undefined: every runner may be restarted. */
  readonly restartAllow: readonly string[] | undefined;
  readonly restartDeny: readonly string[];
  readonly runners: ReadonlyMap<RunnerId, FleetEntry>;
  /** Values that came from variables with a secret's name: shown nowhere. */
  readonly secrets: readonly string[];
}
