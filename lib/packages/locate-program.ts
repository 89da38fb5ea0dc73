/** Finds a program, or has it fetched: setting, path, cache, then each source in turn. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { AppError, messageOf } from "../core/errors.ts";
import { addToCache, cachedFolders } from "./program-cache.ts";
import { runProgram } from "./run-program.ts";

const PROBE_TIMEOUT_MS = 10_000;

export interface ProgramSpec {
  /** Of the file and of its folders in the cache. */
  readonly name: string;
  readonly versionArgs: readonly string[];
  /** Finds the version in what the program prints. */
  readonly versionOf: (output: string) => string | undefined;
  readonly isNewEnough: (version: string) => boolean;
  /** For messages: `2.11.0 or newer`. */
  readonly needs: string;
  /** Name of the setting, for messages. */
  readonly setting: string;
}

export interface FetchContext {
  readonly say: Say;
  readonly signal?: AbortSignal;
  /** Whether a version that a source has would do, before anything big is downloaded. */
  readonly isNewEnough: (version: string) => boolean;
}

/** One line for the person who waits. */
export type Say = (text: string) => void;

/** Somewhere a program can be had from. */
export interface ProgramSource {
  /** For people, e.g. `the official release`. */
  readonly what: string;
  /**
   * Puts the program into the folder, under its name.
   * @throws AppError `unavailable` where another source may help, anything else ends the search.
   */
  readonly fetch: (folder: string, context: FetchContext) => Promise<void>;
}

export interface LocateOptions {
  /** The setting's value: nothing else is tried. */
  readonly explicit?: string | null;
  /** The PATH variable's value. */
  readonly path: string;
  readonly cacheDirs: readonly string[];
  readonly sources: readonly ProgramSource[];
  readonly say: Say;
  readonly signal?: AbortSignal;
}

export interface FoundProgram {
  readonly path: string;
  readonly version: string;
  /** Where it was found: `setting`, `path`, `cache`, or what its source is called. */
  readonly from: string;
}

/**
 * @throws AppError `invalid` when the setting's program will not do, `not_found` when there is none
 *   anywhere; the message says what was tried and what to do.
 */
export async function locateProgram(
  spec: ProgramSpec,
  options: LocateOptions,
): Promise<FoundProgram> {
  if (options.explicit) return await explicitProgram(spec, options.explicit);
  return (
    (await onPath(spec, options)) ??
    (await inCache(spec, options)) ??
    (await fetched(spec, options))
  );
}

/** A program that can be used, or why it can't. */
type Probe = { readonly version: string } | { readonly problem: string };

/** Asks a program for its version. */
export async function probeProgram(spec: ProgramSpec, path: string): Promise<Probe> {
  try {
    await access(path, constants.X_OK);
    if (!(await stat(path)).isFile()) return { problem: "it is not a file" };
  } catch (error) {
    return { problem: messageOf(error) };
  }
  const run = await runProgram(path, spec.versionArgs, { timeoutMs: PROBE_TIMEOUT_MS });
  if (run.code !== 0) return { problem: `it can't be run: ${run.failure}` };
  const version = spec.versionOf(`${run.stdout}\n${run.stderr}`);
  if (version === undefined) return { problem: `it does not say which ${spec.name} it is` };
  if (!spec.isNewEnough(version)) return { problem: `its version is ${version}` };
  return { version };
}

async function explicitProgram(spec: ProgramSpec, setting: string): Promise<FoundProgram> {
  const path = resolve(setting);
  const probe = await probeProgram(spec, path);
  if ("version" in probe) return { path, version: probe.version, from: "setting" };
  throw new AppError(
    "invalid",
    `${spec.setting} is ${setting}, but ${probe.problem}. ` +
      `It must be ${spec.name} ${spec.needs}; leave it unset to have one found or fetched`,
  );
}

async function onPath(
  spec: ProgramSpec,
  { path, say }: LocateOptions,
): Promise<FoundProgram | undefined> {
  for (const folder of path.split(delimiter).filter((entry) => entry !== "")) {
    const file = join(folder, spec.name);
    const isThere = await stat(file).then(
      (found) => found.isFile(),
      () => false,
    );
    if (!isThere) continue;
    const probe = await probeProgram(spec, file);
    if ("version" in probe) return { path: file, version: probe.version, from: "path" };
    say(`${file} will not do: ${probe.problem}, and ${spec.needs} is needed`);
  }
  return undefined;
}

async function inCache(
  spec: ProgramSpec,
  options: LocateOptions,
): Promise<FoundProgram | undefined> {
  for (const folder of await cachedFolders(options.cacheDirs, `${spec.name}-`)) {
    const path = join(folder, spec.name);
    const probe = await probeProgram(spec, path);
    if ("version" in probe) return { path, version: probe.version, from: "cache" };
    options.say(`${path} in the cache will not do: ${probe.problem}`);
  }
  return undefined;
}

async function fetched(spec: ProgramSpec, options: LocateOptions): Promise<FoundProgram> {
  const { say, sources } = options;
  say(`${spec.name} ${spec.needs} is not on the path and not in the cache`);
  const reasons: string[] = [];
  for (const source of sources) {
    say(`${spec.name}: trying ${source.what}`);
    try {
      return await fetchFrom(spec, options, source);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "unavailable") throw error;
      reasons.push(`${source.what}: ${error.message}`);
      say(`${spec.name}: ${error.message}`);
    }
  }
  throw new AppError(
    "not_found",
    `There is no ${spec.name} ${spec.needs} here and none could be fetched ` +
      `(${reasons.join("; ")}). Install it, or set ${spec.setting} to its path`,
  );
}

async function fetchFrom(
  spec: ProgramSpec,
  options: LocateOptions,
  source: ProgramSource,
): Promise<FoundProgram> {
  const { say, signal } = options;
  const context = { say, isNewEnough: spec.isNewEnough, ...(signal ? { signal } : {}) };
  const probe = async (folder: string): Promise<Probe> =>
    await probeProgram(spec, join(folder, spec.name));
  let version = "";
  const folder = await addToCache(options.cacheDirs, {
    fill: async (partial) => {
      await source.fetch(partial, context);
      const found = await probe(partial);
      if ("problem" in found) {
        throw new AppError("unavailable", `what was fetched will not do: ${found.problem}`);
      }
      version = found.version;
      return `${spec.name}-${version}`;
    },
    isGood: async (existing) => "version" in (await probe(existing)),
  });
  const path = join(folder, spec.name);
  say(`${spec.name} ${version} is ready: ${path}`);
  return { path, version, from: source.what };
}
