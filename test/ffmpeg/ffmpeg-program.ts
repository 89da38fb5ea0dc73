import { locateFfmpeg } from "../../lib/ffmpeg/locate.ts";
import type { FfmpegProgram } from "../../lib/ffmpeg/version.ts";

let found: Promise<FfmpegProgram> | undefined;

/** The real FFmpeg, found as the product finds it; global-setup has fetched one where none was. */
export async function ffmpegProgram(): Promise<FfmpegProgram> {
  found ??= locateFfmpeg({ bin: process.env["FFMPEG_BIN"] ?? null, env: process.env });
  return await found;
}
