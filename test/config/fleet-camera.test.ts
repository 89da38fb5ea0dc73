import { describe, expect, it } from "vitest";
import { parseFleet } from "../../config/fleet.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";

function camera(keys: string, defaults = "") {
  const text = `${defaults}\nrunners: { camera/a/b: { camera: { url: x, ${keys} } } }`;
  return parseFleet(text, {}, "/etc/runbeat/fleet.yaml").runners.get(parseRunnerId("camera/a/b"))
    ?.driver;
}

function refusal(keys: string): string {
  try {
    camera(keys);
  } catch (error) {
    return (error as Error).message;
  }
  return "accepted";
}

describe("a camera of the fleet file", () => {
  it("finds its analyser beside the file", () => {
    expect(camera("analyse: ./mine.mjs")).toMatchObject({ analyse: "/etc/runbeat/mine.mjs" });
    expect(camera("analyse: { command: [./find, --all], width: 64, fps: 0.5 }")).toMatchObject({
      analyse: {
        command: ["/etc/runbeat/find", "--all"],
        cwd: "/etc/runbeat",
        width: 64,
        height: 180,
        pixels: "rgb24",
        fps: 0.5,
      },
    });
    expect(camera("analyse: { command: [python3, find.py] }")).toMatchObject({
      analyse: { command: ["python3", "find.py"] },
    });
  });

  it("says when its pictures are bad, when it is tried again and what decodes it", () => {
    const keys =
      "hwaccel: auto, picture: { black_sec: 5 }, reconnect: { backoff_sec: [1, 9], slow_sec: 300 }";
    expect(camera(keys)).toMatchObject({
      hwaccel: "auto",
      picture: { blackSec: 5 },
      reconnect: { backoffSec: [1, 9], slowSec: 300 },
    });
  });

  it("records beside the file unless told where, and restreams", () => {
    const keys = "record: { folder: clips, keep_hours: 48 }, restream: 'rtsp://10.0.0.9/a'";
    expect(camera(keys)).toMatchObject({
      outputs: [
        { kind: "record", folder: "/etc/runbeat/clips", segmentSec: 300, keepHours: 48 },
        { kind: "restream", url: "rtsp://10.0.0.9/a" },
      ],
    });
  });

  it("has a process of its own unless it or the file's defaults say otherwise", () => {
    expect(camera("stall_sec: 5")).toMatchObject({ isHosted: false });
    expect(camera("host: true")).toMatchObject({ isHosted: true });
    const defaults = "defaults: { camera_host: true }";
    expect(camera("stall_sec: 5", defaults)).toMatchObject({ isHosted: true });
    expect(camera("host: false", defaults)).toMatchObject({ isHosted: false });
  });

  it.each([
    ["analyse: mine", "must be one of none, motion, the path of a module such as ./mine.mjs"],
    ["analyse: ./mine.py", "must be one of none, motion, the path of a module such as ./mine.mjs"],
    ["analyse: 3", "must be one of none, motion"],
    ["analyse: { command: [x], width: 1 }", "must be a whole number from 2 to 4096"],
    ["analyse: { command: [x], fps: 0 }", "must be a number of pictures a second above 0"],
    ["hwaccel: gpu", "must be one of none, auto, cuda, vaapi"],
    ["reconnect: { backoff_sec: [] }", "must be a list of at least one number of seconds"],
    [
      "restream: 'rtsp://me:word@10.0.0.9/a'",
      "an rtsp, rtmp, srt, udp or tcp address without a login",
    ],
    ["restream: 'file:///etc/passwd'", "must be an rtsp, rtmp, srt, udp or tcp address"],
    ["record: {}", "must be a folder"],
    ["picture: { black_sec: -1 }", "must be a number of seconds from 0"],
  ])("is refused with %s, and with what is allowed", (keys, message) => {
    expect(refusal(keys)).toContain(message);
  });
});
