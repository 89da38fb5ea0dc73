/** The fleet file: which runners should run, how, and how they are restarted. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseDocument } from "yaml";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type {
  CommandEntry,
  Driver,
  Fleet,
  FleetEntry,
  ThresholdOverrides,
} from "../lib/core/fleet.ts";
import { parseRunnerId } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { Environment } from "./environment.ts";
import { cameraOf } from "./fleet-camera.ts";
import type { FleetPlace } from "./fleet-camera.ts";
import { refusal } from "./fleet-refusal.ts";
import { fleetSchema } from "./fleet-schema.ts";
import type { EntryFile, FleetFile } from "./fleet-schema.ts";
import { expandVariables } from "./fleet-variables.ts";
import { didYouMean } from "../lib/core/nearest-word.ts";

/**
 * Reads a fleet file. `${NAME}` takes a value from `env`; `$${NAME}` stands for itself.
 * @throws AppError `invalid` that names the place in the file, the value and what is allowed.
 */
export function loadFleet(path: string, env: Environment): Fleet {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    throw new AppError(
      "invalid",
      `The fleet file ${path} can't be read (${messageOf(error)}): give another with RUNBEAT_FLEET`,
      { cause: error },
    );
  }
  return parseFleet(content, env, path);
}

/** As {@link loadFleet}, of a file's text. @param name its path, for messages and what is relative to it. */
export function parseFleet(content: string, env: Environment, name: string): Fleet {
  const written = parseYaml(content, name);
  const secrets = new Set<string>();
  const expanded = expandVariables(written, env, name, secrets);
  const checked = fleetSchema.safeParse(expanded);
  if (!checked.success) throw refusal(checked.error.issues, written, name);
  return fleetOf(checked.data, [...secrets], dirname(resolve(name)));
}

/** One runner's entry. @throws AppError `not_found` that names what there is. */
export function fleetEntry(fleet: Fleet, runner: RunnerId): FleetEntry {
  const entry = fleet.runners.get(runner);
  if (entry !== undefined) return entry;
  const known = [...fleet.runners.keys()];
  const hint = didYouMean(runner, known) || ` It has ${known.slice(0, 5).join(", ") || "none"}`;
  throw new AppError("not_found", `The fleet file has no runner ${runner}.${hint}`);
}

function parseYaml(content: string, name: string): unknown {
  const document = parseDocument(content, { merge: true });
  const [problem] = document.errors;
  if (problem !== undefined) {
    const [summary] = problem.message.split("\n");
    throw new AppError("invalid", `The fleet file ${name} is not valid YAML: ${summary}`);
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    throw new AppError("invalid", `The fleet file ${name} can't be used: ${messageOf(error)}`);
  }
}

function fleetOf(file: FleetFile, secrets: readonly string[], folder: string): Fleet {
  const runners = new Map<RunnerId, FleetEntry>();
  for (const [name, entry] of Object.entries(file.runners)) {
    const runner = parseRunnerId(name);
    runners.set(runner, entryOf(runner, entry, file.defaults, folder));
  }
  const { restart_allow: restartAllow, restart_deny: restartDeny } = file;
  return { restartAllow, restartDeny, runners, secrets };
}

function entryOf(
  runner: RunnerId,
  entry: EntryFile,
  defaults: FleetFile["defaults"],
  folder: string,
): FleetEntry {
  const restart = { ...defaults.restart, ...entry.restart };
  const limits = entry.limits ?? defaults.limits;
  return {
    runner,
    driver: driverOf(entry, { folder, areHosted: defaults.camera_host === true }),
    intervalSec:
      entry.interval_sec ?? entry.heartbeat_interval_sec ?? defaults.heartbeat_interval_sec ?? null,
    restart: {
      backoffSec: restart.backoff_sec,
      maxAttempts: restart.max_attempts,
      cooldownSec: restart.cooldown_sec,
      stableSec: restart.stable_sec,
    },
    thresholds: thresholdsOf({ ...defaults.thresholds, ...entry.thresholds }),
    limits: limits && {
      memoryMb: limits.memory_mb,
      cpuPercent: limits.cpu_percent,
      vramMb: limits.vram_mb,
      forSec: limits.for_sec,
    },
    labels: entry.labels ?? {},
  };
}

function driverOf(entry: EntryFile, place: FleetPlace): Driver {
  const { camera, command, docker, systemd } = entry;
  if (camera !== undefined) return cameraOf(camera, place);
  if (command !== undefined) return commandOf(entry, command);
  if (docker !== undefined) return { kind: "docker", container: docker.container };
  return systemd === undefined ? { kind: "external" } : { kind: "systemd", unit: systemd.unit };
}

function commandOf(entry: EntryFile, command: readonly string[]): CommandEntry {
  const { cwd, env = {}, beats, probe } = entry;
  return {
    kind: "command",
    command: command as readonly [string, ...string[]],
    cwd,
    env,
    beatsItself: beats === "self",
    probe: probe && {
      http: probe.http,
      command: probe.command,
      everySec: probe.every_sec,
      timeoutSec: probe.timeout_sec,
    },
  };
}

function thresholdsOf(given: NonNullable<EntryFile["thresholds"]>): ThresholdOverrides {
  const { online_sec, stale_sec, offline_sec, start_grace_sec } = given;
  return {
    ...(online_sec === undefined ? {} : { onlineSec: online_sec }),
    ...(stale_sec === undefined ? {} : { staleSec: stale_sec }),
    ...(offline_sec === undefined ? {} : { offlineSec: offline_sec }),
    ...(start_grace_sec === undefined ? {} : { startGraceSec: start_grace_sec }),
  };
}
