import { readEnvironment } from "../../config/environment.ts";
import { loadSettings } from "../../config/load-settings.ts";
import { pathsOf } from "../../config/paths.ts";
import { fetchFfmpeg, findNatsServer } from "../../cmd/programs.ts";
import { locateFfmpeg } from "../../lib/ffmpeg/locate.ts";
import type { FfmpegCandidate } from "../../lib/ffmpeg/version.ts";

/**
 * Finds or fetches the nats-server and the FFmpeg that the tests run against, the way the product
 * does; without them nothing is tested.
 */
export async function setup(): Promise<void> {
  const environment = readEnvironment();
  const { settings } = loadSettings({ environment });
  const say = (line: string): void => console.error(line);
  const context = { settings, paths: pathsOf(settings), environment, say };
  const fetch = async (): Promise<FfmpegCandidate> => await fetchFfmpeg(context);
  const [natsServer, ffmpeg] = await Promise.all([
    findNatsServer(context),
    locateFfmpeg({ bin: settings.ffmpeg.bin, env: environment, fetch }),
  ]);
  process.env["RUNBEAT_TEST_NATS_SERVER"] = natsServer.path;
  const isFetched = context.paths.cacheDirs.some((folder) => ffmpeg.path.startsWith(folder));
  if (isFetched) process.env["FFMPEG_BIN"] = ffmpeg.path;
}
