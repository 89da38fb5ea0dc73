/** The programs that Runbeat needs beside itself, found or fetched. */
import { AppError } from "../lib/core/errors.ts";
import type { FfmpegCandidate } from "../lib/ffmpeg/version.ts";
import { debianPackage, debianPackageWithLibraries } from "../lib/packages/debian.ts";
import { FFMPEG } from "../lib/packages/ffmpeg.ts";
import { locateProgram } from "../lib/packages/locate-program.ts";
import type { FoundProgram, LocateOptions, ProgramSpec } from "../lib/packages/locate-program.ts";
import { NATS_SERVER, natsServerRelease } from "../lib/packages/nats-server.ts";
import type { Context } from "./context.ts";

type Needed = Pick<Context, "settings" | "paths" | "environment" | "say">;

/**
 * The nats-server for the embedded server: the setting's, the path's, one fetched before, the
 * official release, or the distribution's package. Says what it does where that takes time.
 * @throws AppError `invalid` when the setting's will not do, `not_found` when there is none.
 */
export async function findNatsServer(context: Needed, signal?: AbortSignal): Promise<FoundProgram> {
  const programs = ["usr/sbin/nats-server", "usr/bin/nats-server"];
  const { releases } = context.settings.nats;
  return await locateProgram(NATS_SERVER, {
    ...common(context, signal),
    explicit: context.settings.nats.serverBin,
    path: context.environment["PATH"] ?? "",
    sources: [
      releases === null ? natsServerRelease() : natsServerRelease(releases),
      debianPackage({ name: "nats-server", programs }),
    ],
  });
}

/**
 * An FFmpeg for a machine that has none: one fetched before, or the distribution's package.
 * @throws AppError `not_found` when there is none.
 */
export async function fetchFfmpeg(context: Needed, signal?: AbortSignal): Promise<FfmpegCandidate> {
  const found = await locateProgram(FFMPEG, {
    ...common(context, signal),
    path: "",
    sources: [debianPackageWithLibraries({ name: "ffmpeg", programs: ["usr/bin/ffmpeg"] })],
  });
  // It finds its libraries by itself.
  return { path: found.path, env: {} };
}

/** The nats-server that this machine has already; nothing is fetched. */
export async function presentNatsServer(context: Needed): Promise<FoundProgram | undefined> {
  return await present(NATS_SERVER, {
    ...common({ ...context, say: ignore }, undefined),
    explicit: context.settings.nats.serverBin,
    path: context.environment["PATH"] ?? "",
    sources: [],
  });
}

/** The FFmpeg that was fetched before. */
export async function cachedFfmpeg(context: Needed): Promise<FfmpegCandidate | undefined> {
  const options = { ...common({ ...context, say: ignore }, undefined), path: "", sources: [] };
  const found = await present(FFMPEG, options);
  return found === undefined ? undefined : { path: found.path, env: {} };
}

async function present(
  spec: ProgramSpec,
  options: LocateOptions,
): Promise<FoundProgram | undefined> {
  try {
    return await locateProgram(spec, options);
  } catch (error) {
    if (error instanceof AppError && error.code === "not_found") return undefined;
    throw error;
  }
}

function ignore(): void {}

function common(
  { paths, say }: Needed,
  signal: AbortSignal | undefined,
): Pick<LocateOptions, "cacheDirs" | "say" | "signal"> {
  return { cacheDirs: paths.cacheDirs, say, ...(signal === undefined ? {} : { signal }) };
}
