import { describe, expect, it } from "vitest";
import { ffmpegArguments } from "../../lib/ffmpeg/arguments.ts";
import type { CameraInput } from "../../lib/ffmpeg/arguments.ts";

const CAMERA: CameraInput = { url: "rtsp://10.0.0.7/stream1", lowLatency: false, stallSec: 10 };

function line(input: Partial<CameraInput>, major = 59): string {
  return ffmpegArguments({ ...CAMERA, ...input }, major, { frames: null }).args.join(" ");
}

describe("FFmpeg's arguments", () => {
  it("limit RTSP's waiting in the words of the version", () => {
    expect(line({}, 58)).toContain(
      "-rtsp_transport tcp -stimeout 5000000 -i rtsp://10.0.0.7/stream1",
    );
    expect(line({}, 59)).toContain(
      "-rtsp_transport tcp -timeout 5000000 -i rtsp://10.0.0.7/stream1",
    );
    expect(line({ transport: "udp" })).toContain("-rtsp_transport udp");
    expect(line({ url: "http://10.0.0.7/mjpeg" })).toContain("-rw_timeout 5000000");
  });

  it("pass frames as they come in the words of the version", () => {
    expect(line({}, 59)).toContain("-vsync passthrough");
    expect(line({}, 61)).toContain("-fps_mode passthrough");
  });

  it("are quick only where that is asked for", () => {
    const flags = "-flags low_delay -fflags nobuffer -probesize 32 -analyzeduration 0";
    expect(line({ lowLatency: true })).toContain(flags);
    expect(line({})).not.toContain("nobuffer");
  });

  it("hold back what would come as fast as it is read", () => {
    expect(line({ url: "testsrc2=rate=15", inputFormat: "lavfi" })).toContain(
      "-re -f lavfi -i testsrc2",
    );
    expect(line({ url: "/srv/clip.mp4" })).toContain("-re -i /srv/clip.mp4");
    expect(line({})).not.toContain("-re");
    expect(line({ url: "/dev/video0", inputFormat: "v4l2" })).not.toContain("-re");
  });

  it.each([
    ["rtsp://viewer:pass@10.0.0.7/a"],
    ["rtsp://viewer:pa'ss@10.0.0.7/a"],
    ["rtsp://token@10.0.0.7/a"],
    ["http://10.0.0.7/video?password=pass"],
  ])("leave %s to a list on a pipe", (url) => {
    const { args, inputList } = ffmpegArguments({ ...CAMERA, url, lowLatency: true }, 59, {
      frames: null,
    });
    expect(args.join(" ")).not.toContain("10.0.0.7");
    expect(args).toContain("pipe:5");
    expect(inputList).toContain(`file '${url.replaceAll("'", "'\\''")}'\n`);
    expect(inputList).toContain("option probesize 32");
  });

  it("leave it to a list for FFmpeg 4 as well, which takes the transport from the url", () => {
    const listOf = (url: string, transport: CameraInput["transport"]) =>
      ffmpegArguments({ ...CAMERA, url, ...(transport && { transport }) }, 58, { frames: null })
        .inputList;
    expect(listOf("rtsp://viewer:pass@cam/a", undefined)).toBe(
      "ffconcat version 1.0\nfile 'rtsp://viewer:pass@cam/a?tcp'\n",
    );
    expect(listOf("rtsp://viewer:pass@cam/a?x=1", "udp_multicast")).toContain("a?x=1&multicast'");
    expect(listOf("http://viewer:pass@cam/a", undefined)).toContain("cam/a'");
    expect(listOf("rtsp://viewer:pass@cam/a", "http")).toBeNull();
  });

  it("refuse a url that would end its line", () => {
    const url = "rtsp://10.0.0.7/a\noption x";
    expect(() => ffmpegArguments({ ...CAMERA, url }, 59, { frames: null })).toThrow(/line break/);
  });

  it("hand a stream on without decoding it, to files that are named by their time", () => {
    const record = { kind: "record", folder: "/rec/100%", segmentSec: 60, keepHours: 1 } as const;
    const { args } = ffmpegArguments(CAMERA, 59, { frames: null, output: record });
    expect(args.join(" ")).toMatch(
      /-use_wallclock_as_timestamps 1 .*-c copy -f segment -segment_time 60 .*-strftime 1 \/rec\/100%%\/%Y%m%d-%H%M%S\.mkv$/,
    );
  });

  it.each([
    ["rtsp://10.0.0.9/a", "-c copy -f rtsp -rtsp_transport tcp rtsp://10.0.0.9/a"],
    ["rtmp://10.0.0.9/a", "-c copy -f flv rtmp://10.0.0.9/a"],
    ["udp://10.0.0.9:5000", "-c copy -f mpegts udp://10.0.0.9:5000"],
  ])("hand a stream on to %s in its format", (url, text) => {
    const output = { kind: "restream", url } as const;
    expect(ffmpegArguments(CAMERA, 59, { frames: null, output }).args.join(" ")).toContain(text);
  });

  it("name the hardware that decodes before the input", () => {
    const wanted = { frames: null, backend: "cuda" } as const;
    expect(ffmpegArguments(CAMERA, 59, wanted).args.join(" ")).toMatch(/-hwaccel cuda .*-i rtsp/);
    expect(line({})).not.toContain("-hwaccel");
  });
});
