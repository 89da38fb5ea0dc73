/** Puts the settings together: defaults, file, environment, flags, each over the one before. */
import { AppError } from "../lib/core/errors.ts";
import { redactDeep } from "../lib/core/redact.ts";
import { HANDED_DOWN, TEST_PREFIX } from "./environment.ts";
import type { Environment } from "./environment.ts";
import { nearestWord } from "../lib/core/nearest-word.ts";
import { checkTogether } from "./setting-checks.ts";
import { SETTING_LIST } from "./setting-list.ts";
import type { SettingEntry } from "./setting-list.ts";
import { readSettingsFile } from "./settings-file.ts";
import type { Settings } from "./settings.ts";

/** Where a value comes from: which file, which variable, which flag. */
export type Origin =
  | { readonly source: "default" }
  | { readonly source: "file"; readonly name: string }
  | { readonly source: "environment"; readonly name: string }
  | { readonly source: "flag"; readonly name: string };

export interface FlagValue {
  /** `--port`, as the user wrote it. */
  readonly flag: string;
  readonly text: string;
}

export interface SettingSources {
  /** Must exist where given; undefined: no file. */
  readonly file?: string | undefined;
  readonly environment: Environment;
  /** By key, e.g. `http.port`. */
  readonly flags?: ReadonlyMap<string, FlagValue>;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** By key. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** What is odd but no error, a line each. */
  readonly warnings: readonly string[];
}

interface Found {
  readonly value: unknown;
  readonly origin: Origin;
}

/** @throws AppError `invalid` that names the key, the value and what is allowed. */
export function loadSettings(sources: SettingSources): LoadedSettings {
  const file = sources.file === undefined ? new Map() : readSettingsFile(sources.file);
  const tree: Record<string, unknown> = {};
  const origins = new Map<string, Origin>();
  for (const entry of SETTING_LIST) {
    const found = find(entry, sources, file);
    put(tree, entry.path, checked(entry, found));
    origins.set(entry.key, found.origin);
  }
  const settings = tree as Settings;
  const warnings = [...unknownVariables(sources.environment), ...checkTogether(settings)];
  return { settings, origins, warnings };
}

function find(
  entry: SettingEntry,
  sources: SettingSources,
  file: ReadonlyMap<string, unknown>,
): Found {
  const { setting, key } = entry;
  const given = sources.flags?.get(key);
  if (given !== undefined) {
    const origin: Origin = { source: "flag", name: given.flag };
    return { value: setting.fromText(given.text), origin };
  }
  for (const name of entry.env) {
    const text = sources.environment[name];
    // An empty variable is how compose files and shells say "not set".
    if (text === undefined || text === "") continue;
    return { value: setting.fromText(text), origin: { source: "environment", name } };
  }
  if (file.has(key)) {
    return { value: file.get(key), origin: { source: "file", name: sources.file ?? "" } };
  }
  return { value: setting.fallback, origin: { source: "default" } };
}

function checked(entry: SettingEntry, found: Found): unknown {
  const result = entry.setting.schema.safeParse(found.value);
  if (result.success) return result.data;
  throw new AppError(
    "invalid",
    `${namesOf(entry, found.origin)} is ${shown(entry, found.value)}, but must be ${entry.setting.allowed}`,
  );
}

/** "http.port (RUNBEAT_HTTP_PORT in the environment)" */
function namesOf(entry: SettingEntry, origin: Origin): string {
  switch (origin.source) {
    case "default":
      return entry.key;
    case "file":
      return `${entry.key} (in ${origin.name})`;
    case "environment":
      return `${entry.key} (${origin.name} in the environment)`;
    case "flag":
      return `${entry.key} (${origin.name})`;
  }
}

function shown(entry: SettingEntry, value: unknown): string {
  if (entry.setting.secret) return "not usable (not shown, it is a secret)";
  return JSON.stringify(redactDeep(value))?.slice(0, 200) ?? String(value);
}

function put(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const name of path.slice(0, -1)) {
    node = (node[name] ??= {}) as Record<string, unknown>;
  }
  node[path[path.length - 1] ?? ""] = value;
}

function unknownVariables(environment: Environment): string[] {
  const known = [...SETTING_LIST.flatMap((entry) => entry.env), ...HANDED_DOWN];
  const strange = Object.keys(environment).filter(
    (name) => name.startsWith("RUNBEAT_") && !name.startsWith(TEST_PREFIX) && !known.includes(name),
  );
  return strange.toSorted().map((name) => {
    const nearest = nearestWord(name, known);
    const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    return `The variable ${name} in the environment is not one of Runbeat's and changes nothing${hint}`;
  });
}
