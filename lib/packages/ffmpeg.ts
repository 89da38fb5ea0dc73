/** FFmpeg for machines that have none. */
import type { ProgramSpec } from "./locate-program.ts";

/** The oldest whose options Runbeat knows. */
const MIN_MAJOR = 4;

export const FFMPEG: ProgramSpec = {
  name: "ffmpeg",
  versionArgs: ["-version"],
  versionOf: (output) => /^ffmpeg version (\S+)/m.exec(output)?.[1],
  // Builds from a development tree have no number: they are new.
  isNewEnough: (version) => {
    const major = /^n?(\d+)\./.exec(version)?.[1];
    return major === undefined || Number(major) >= MIN_MAJOR;
  },
  needs: `${MIN_MAJOR} or newer`,
  setting: "FFMPEG_BIN",
};
