/** What a camera runner is told to do: the fleet file's entry, and options that win over it. */
import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import { fleetEntry, loadFleet } from "../config/fleet.ts";
import { AppError } from "../lib/core/errors.ts";
import type { CameraSpec, FleetEntry } from "../lib/core/fleet.ts";
import { parseRunnerId, runnerParts } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { RunOrder } from "../lib/core/supervision.ts";
import type { TRANSPORTS } from "../lib/ffmpeg/arguments.ts";
import { ANALYSER_NAMES } from "../lib/runner/analysers/named.ts";
import type { Context } from "./context.ts";

export interface CameraOptions {
  readonly fleet?: string;
  readonly url?: string;
  readonly inputFormat?: string;
  readonly transport?: (typeof TRANSPORTS)[number];
  readonly analyse?: string;
  readonly lowLatency?: true;
  readonly stall?: number;
  readonly maxFailures?: number;
  readonly interval?: number;
  readonly host?: true;
  readonly supervised?: true;
}

export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0.1 && value <= 86_400) return value;
  throw new InvalidArgumentError("It must be a number of seconds from 0.1 to 86400.");
}

export function count(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number of at least 0.");
}

/** @throws InvalidArgumentError for what is neither one of ours nor a path. */
export function analyserName(text: string): string {
  if (ANALYSER_NAMES.includes(text)) return text;
  if (text.includes("/")) return resolve(text);
  throw new InvalidArgumentError(
    `It must be ${ANALYSER_NAMES.join(", ")} or the path of a module.`,
  );
}

export function cameraId(text: string | undefined): RunnerId {
  if (text === undefined) {
    throw new AppError("invalid", "Name a camera, or give --host for those of the fleet file");
  }
  const runner = parseRunnerId(text.split("/").length === 2 ? `camera/${text}` : text);
  if (runnerParts(runner).kind === "camera") return runner;
  throw new AppError(
    "invalid",
    `${runner} is no camera: run a command with runbeat run --runner ${runner} -- COMMAND`,
  );
}

export function orderOf(context: Context, runner: RunnerId, options: CameraOptions): RunOrder {
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

function givenOptions(options: CameraOptions): Partial<CameraSpec> {
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

function orderOfFleet(context: Context, runner: RunnerId, options: CameraOptions): RunOrder {
  const fleet = loadFleet(options.fleet ?? context.paths.fleetFile, context.environment);
  return orderOfEntry(context, fleetEntry(fleet, runner));
}

/** @throws AppError `invalid` where the entry is no camera. */
export function orderOfEntry(context: Context, entry: FleetEntry): RunOrder {
  const { runner, driver, intervalSec, labels } = entry;
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

export function cameraOf({ camera }: RunOrder) {
  if (camera === undefined) throw new AppError("internal", "the order has no camera");
  const { inputFormat, transport, ...rest } = camera;
  return {
    ...rest,
    ...(inputFormat === undefined ? {} : { inputFormat }),
    ...(transport === undefined ? {} : { transport }),
  };
}
