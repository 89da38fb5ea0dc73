/** The programs that Runbeat needs beside itself, found or fetched. */
import type { FfmpegCandidate } from "../lib/ffmpeg/version.ts";
import { debianPackage, debianPackageWithLibraries } from "../lib/packages/debian.ts";
import { FFMPEG } from "../lib/packages/ffmpeg.ts";
import { locateProgram } from "../lib/packages/locate-program.ts";
import type { FoundProgram, LocateOptions } from "../lib/packages/locate-program.ts";
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
  return await locateProgram(NATS_SERVER, {
    ...common(context, signal),
    explicit: context.settings.nats.serverBin,
    path: context.environment["PATH"] ?? "",
    sources: [natsServerRelease(), debianPackage({ name: "nats-server", programs })],
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

function common(
  { paths, say }: Needed,
  signal: AbortSignal | undefined,
): Pick<LocateOptions, "cacheDirs" | "say" | "signal"> {
  return { cacheDirs: paths.cacheDirs, say, ...(signal === undefined ? {} : { signal }) };
}
