/** Arguments for an FFmpeg that hands a stream on as it is: into files, or to another server. */
import { join } from "node:path";
import type { CameraOutputSpec } from "../core/fleet.ts";

/** As long as a picture is not made anew, this costs next to nothing. */
const COPY = ["-map", "0:v:0", "-map", "0:a?", "-c", "copy"];

/** Named by the time of their begin, on this host's clock; whole files whenever FFmpeg is killed. */
const SEGMENT_NAME = "%Y%m%d-%H%M%S.mkv";

/**
 * A camera's own time jumps, back too, when it first says what o'clock it is. A picture is made
 * right all the same, but a copied stream would stand until its time has caught up.
 */
export const COPY_INPUT: readonly string[] = ["-use_wallclock_as_timestamps", "1"];

export function copyOutput(output: CameraOutputSpec): string[] {
  return output.kind === "record" ? recordOutput(output) : restreamOutput(output.url);
}

function recordOutput({ folder, segmentSec }: { folder: string; segmentSec: number }): string[] {
  const name = join(folder.replaceAll("%", "%%"), SEGMENT_NAME);
  // By the clock, not by the stream's own time: 10:00, 10:05, …
  const every = ["-segment_time", String(segmentSec), "-segment_atclocktime", "1"];
  const files = ["-segment_format", "matroska", "-reset_timestamps", "1", "-strftime", "1", name];
  return [...COPY, "-f", "segment", ...every, ...files];
}

function restreamOutput(url: string): string[] {
  if (/^rtsps?:/i.test(url)) return [...COPY, "-f", "rtsp", "-rtsp_transport", "tcp", url];
  return [...COPY, "-f", /^rtmps?:/i.test(url) ? "flv" : "mpegts", url];
}
