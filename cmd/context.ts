/** What every command starts from: the settings, the log and the paths. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { readEnvironment } from "../config/environment.ts";
import type { Environment } from "../config/environment.ts";
import { loadSettings } from "../config/load-settings.ts";
import type { FlagValue, LoadedSettings } from "../config/load-settings.ts";
import { pathsOf } from "../config/paths.ts";
import type { Paths } from "../config/paths.ts";
import { projectRoot } from "../config/project-root.ts";
import { createLog } from "./log.ts";
import type { Logger } from "./log.ts";

export interface Context extends LoadedSettings {
  readonly log: Logger;
  readonly paths: Paths;
  /** This process's environment, for children. */
  readonly environment: Environment;
  /** The settings file that was read, if any. */
  readonly file: string | undefined;
  /** What makes another of our commands read the same file: `["--config", "x.yaml"]`, or nothing. */
  readonly fileArguments: readonly string[];
  /** One line for the person at the terminal, on stderr; stdout is for data. */
  readonly say: (line: string) => void;
}

/** Options that every command takes, and the setting that each stands for. */
const GLOBAL_FLAGS: Readonly<Record<string, { key: string; flag: string }>> = {
  dataDir: { key: "data_dir", flag: "--data-dir" },
  natsUrl: { key: "nats.url", flag: "--nats-url" },
  logLevel: { key: "log_level", flag: "--log-level" },
};

/**
 * Loads the configuration for a command.
 * @param own the command's own flags that are settings, by key: `{ "http.port": "--port" }` takes
 *   the option `--port` for `http.port`.
 * @throws AppError `invalid` for anything wrong in file, environment or flags.
 */
export function openContext(command: Command, own: Readonly<Record<string, string>> = {}): Context {
  const options = command.optsWithGlobals<Record<string, unknown>>();
  const given = options["config"];
  const file = settingsFile(given);
  const environment = readEnvironment();
  const loaded = loadSettings({ file, environment, flags: flagValues(options, own) });
  const log = createLog(loaded.settings.logLevel, command.name());
  for (const warning of loaded.warnings) log.warn(warning);
  return {
    ...loaded,
    log,
    paths: pathsOf(loaded.settings),
    environment,
    file,
    fileArguments: typeof given === "string" ? ["--config", resolve(given)] : [],
    say,
  };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** `--config`, or the project's own file where there is one. */
function settingsFile(given: unknown): string | undefined {
  if (typeof given === "string") return given;
  const own = join(projectRoot(), "config", "runbeat.yaml");
  return existsSync(own) ? own : undefined;
}

function flagValues(
  options: Record<string, unknown>,
  own: Readonly<Record<string, string>>,
): Map<string, FlagValue> {
  const flags = new Map<string, FlagValue>();
  const take = (attribute: string, key: string, flag: string): void => {
    const value = options[attribute];
    if (typeof value === "string" || typeof value === "number") {
      flags.set(key, { flag, text: String(value) });
    }
  };
  for (const [attribute, { key, flag }] of Object.entries(GLOBAL_FLAGS)) take(attribute, key, flag);
  for (const [key, flag] of Object.entries(own)) take(attributeOf(flag), key, flag);
  return flags;
}

/** `--data-dir` → `dataDir`, as commander names it. */
function attributeOf(flag: string): string {
  return flag
    .replace(/^--/, "")
    .replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
