/** Finds an FFmpeg: the one that is asked for, the npm package's, the path's, or a fetched one. */
import { accessSync, constants, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join, resolve } from "node:path";
import { AppError, messageOf } from "../core/errors.ts";
import { probeFfmpeg } from "./version.ts";
import type { FfmpegCandidate, FfmpegProgram } from "./version.ts";

export interface LocateOptions {
  /** FFMPEG_BIN: then no other is looked for. */
  readonly bin: string | null;
  /** Our own environment; its PATH is searched. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asked last, e.g. for a package from the cache or the distribution; undefined: has none. */
  readonly fetch?: () => Promise<FfmpegCandidate | undefined>;
}

/**
 * The first FFmpeg that runs, in the order FFMPEG_BIN, `ffmpeg-static`, PATH, fetched.
 * @throws AppError `unavailable` that says what was tried and what to do.
 */
export async function locateFfmpeg(options: LocateOptions): Promise<FfmpegProgram> {
  if (options.bin !== null) return await askedFor(options.bin, options.env);
  const tried: string[] = [];
  for (const find of [findStatic, findOnPath, options.fetch]) {
    const found = await firstThatRuns(find, options.env, tried);
    if (found !== undefined) return found;
  }
  const why = tried.length === 0 ? "" : ` (${tried.join("; ")})`;
  throw new AppError(
    "unavailable",
    `No FFmpeg was found${why}: install it (apt-get install ffmpeg) or set FFMPEG_BIN to its path`,
  );
}

async function askedFor(bin: string, env: LocateOptions["env"]): Promise<FfmpegProgram> {
  const path = bin.includes("/") ? resolve(bin) : (searchPath(bin, env["PATH"]) ?? bin);
  try {
    return await probeFfmpeg({ path, env: {} }, env);
  } catch (error) {
    const message = `FFMPEG_BIN is "${bin}", but ${messageOf(error)}: correct or unset it`;
    throw new AppError("unavailable", message, { cause: error });
  }
}

type Find = (
  env: LocateOptions["env"],
) => FfmpegCandidate | undefined | Promise<FfmpegCandidate | undefined>;

/** A broken one is noted and passed over: the next may run. */
async function firstThatRuns(
  find: Find | undefined,
  env: LocateOptions["env"],
  tried: string[],
): Promise<FfmpegProgram | undefined> {
  try {
    const candidate = await find?.(env);
    return candidate === undefined ? undefined : await probeFfmpeg(candidate, env);
  } catch (error) {
    tried.push(messageOf(error));
    return undefined;
  }
}

/** The package is optional: npm leaves it out where its download fails. */
function findStatic(): FfmpegCandidate | undefined {
  let path: unknown;
  try {
    path = createRequire(import.meta.url)("ffmpeg-static");
  } catch {
    return undefined;
  }
  return typeof path === "string" && isProgram(path) ? { path, env: {} } : undefined;
}

function findOnPath(env: LocateOptions["env"]): FfmpegCandidate | undefined {
  const path = searchPath("ffmpeg", env["PATH"]);
  return path === undefined ? undefined : { path, env: {} };
}

function searchPath(name: string, path: string | undefined): string | undefined {
  return (path ?? "")
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
