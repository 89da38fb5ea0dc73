import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { AppError, messageOf } from "../core/errors.ts";

const PROBE_MS = 15_000;

/** A program that may be FFmpeg, and what it needs around it. */
export interface FfmpegCandidate {
  readonly path: string;
  /** Variables beyond our own environment: an unpacked package finds its libraries by them. */
  readonly env: Readonly<Record<string, string>>;
}

/** An FFmpeg that runs. */
export interface FfmpegProgram extends FfmpegCandidate {
  /** As it names itself, e.g. `5.1.6-0+deb12u1`. */
  readonly version: string;
  /** Decides which options it knows: 58 is FFmpeg 4, 59 is 5, 60 is 6. */
  readonly libavformatMajor: number;
}

/**
 * Asks the program for its version.
 * @param env our own environment.
 * @throws AppError `unavailable` when it does not run or is no FFmpeg.
 */
export async function probeFfmpeg(
  candidate: FfmpegCandidate,
  env: Readonly<Record<string, string | undefined>>,
): Promise<FfmpegProgram> {
  const { version, libavformatMajor } = parseVersion(await versionText(candidate, env));
  if (version !== undefined && libavformatMajor !== undefined) {
    return { ...candidate, version, libavformatMajor };
  }
  throw new AppError("unavailable", `${candidate.path} does not answer like FFmpeg`);
}

async function versionText(
  { path, env: own }: FfmpegCandidate,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  try {
    const options = { timeout: PROBE_MS, env: { ...env, ...own } };
    return (await promisify(execFile)(path, ["-version"], options)).stdout;
  } catch (error) {
    const why = messageOf(error).split("\n").slice(0, 2).join(": ");
    throw new AppError("unavailable", `${path} does not run: ${why}`, { cause: error });
  }
}

/** Reads the output of `ffmpeg -version`. */
export function parseVersion(text: string): {
  version: string | undefined;
  libavformatMajor: number | undefined;
} {
  const version = /^ffmpeg version (\S+)/m.exec(text)?.[1];
  const major = /^libavformat\s+(\d+)\./m.exec(text)?.[1];
  return { version, libavformatMajor: major === undefined ? undefined : Number(major) };
}
