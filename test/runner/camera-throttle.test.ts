import { afterEach, describe, expect, it } from "vitest";
import { parseFleet } from "../../config/fleet.ts";
import { decodeHeartbeatBody } from "../../lib/core/decode-heartbeat.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { openFfmpegSession } from "../../lib/ffmpeg/session.ts";
import type { Analyser } from "../../lib/runner/analysers/analyser.ts";
import { startCameraRunner } from "../../lib/runner/camera-runner.ts";
import type { CameraRunner, ThrottleChange } from "../../lib/runner/camera-runner.ts";
import { spawnGroup } from "../../lib/runner/child-group.ts";
import { pictureLimits } from "../../lib/runner/picture-watch.ts";
import { createUsageMeter } from "../../lib/runner/process-usage.ts";
import { startResourceGuard } from "../../lib/runner/resource-guard.ts";
import { DEFAULT_WATCHDOG } from "../../lib/runner/watchdog.ts";
import { ffmpegProgram } from "../ffmpeg/ffmpeg-program.ts";
import { waitFor } from "../support/wait-for.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Looks at every picture, and counts them. */
const analyser: Analyser = {
  name: "counter",
  wants: { width: 32, height: 18, pixels: "gray", maxFps: 50 },
  analyse: () => ({ detected: 0, matched: 0 }),
};

/** A camera with 50 pictures a second on a host whose memory the test sets. */
async function start() {
  const memory = { usedBytes: 10, limitBytes: 100 };
  const changes: ThrottleChange[] = [];
  const ffmpeg = await ffmpegProgram();
  const host = { memory: () => memory, cpuPercent: () => null };
  const guard = startResourceGuard({ everySec: 0.05, host });
  const input = {
    url: "testsrc2=size=64x36:rate=50",
    inputFormat: "lavfi",
    lowLatency: false,
    stallSec: 5,
  };
  const camera: CameraRunner = startCameraRunner({
    open: (frames, hooks) =>
      openFfmpegSession({ ffmpeg, input, frames, spawn: spawnGroup, env: process.env }, hooks),
    analyser,
    policy: DEFAULT_WATCHDOG,
    picture: pictureLimits({}),
    measure: createUsageMeter(process.pid),
    labels: {},
    guard,
    limits: { maxFps: 1_000 },
    onThrottle: (change) => changes.push(change),
  });
  cleanups.push(
    () => guard.stop(),
    async () => await camera.stop(),
  );
  return { camera, memory, changes };
}

function figure(camera: CameraRunner, name: string): number {
  return camera.collect().metrics?.[name] ?? 0;
}

describe("a camera that is throttled", () => {
  it("analyses less, says so and why, and goes back when there is room again", async () => {
    const { camera, memory, changes } = await start();
    await waitFor(() => figure(camera, "frames_analysed") > 10);
    expect(camera.collect().resources).toMatchObject({ throttled: false, host_memory_percent: 10 });
    expect(figure(camera, "frames_throttled")).toBe(0);

    memory.usedBytes = 85;
    await waitFor(() => changes.length === 1);
    const before = figure(camera, "frames_analysed");
    await waitFor(() => figure(camera, "frames_throttled") >= 50);
    // A second's pictures, of which one or two were looked at.
    expect(figure(camera, "frames_analysed") - before).toBeLessThanOrEqual(4);
    const beat = camera.collect();
    expect(beat.resources).toMatchObject({
      throttled: true,
      throttle_reason: "Memory at 85%, limit 80%",
      host_memory_percent: 85,
    });
    expect(decodeHeartbeatBody("camera/a/b", { pid: 1, ...beat })).toMatchObject({ ok: true });

    memory.usedBytes = 20;
    await waitFor(() => changes.length === 2);
    expect(changes).toEqual([
      { on: true, reason: "Memory at 85%, limit 80%" },
      { on: false, reason: "Memory at 85%, limit 80%" },
    ]);
    const after = figure(camera, "frames_analysed");
    await waitFor(() => figure(camera, "frames_analysed") > after + 20);
    await waitFor(() => figure(camera, "fps_60s") > 20);
  });
});

describe("a camera's own limits", () => {
  function throttleOf(text: string) {
    const camera = `{ url: "rtsp://cam/x", throttle: ${text} }`;
    const file = `runners: { camera/a/b: { camera: ${camera} } }`;
    const { driver } = parseFleet(file, {}, "fleet.yaml").runners.get(
      parseRunnerId("camera/a/b"),
    ) ?? { driver: undefined };
    return driver?.kind === "camera" ? driver.throttle : undefined;
  }

  it("stand in the fleet file, and what is left out is as configured", () => {
    expect(throttleOf("{ max_fps: 15, max_memory_percent: 70 }")).toEqual({
      maxFps: 15,
      maxMemoryPercent: 70,
    });
    expect(throttleOf("{ max_queue_size: 20 }")).toEqual({ maxQueueSize: 20 });
    expect(throttleOf("{}")).toEqual({});
  });

  it.each([
    ["{ max_fps: 0 }", "must be a number above 0"],
    ["{ max_memory_percent: 120 }", "must be a percentage above 0, 100 at most"],
    ["{ max_queue_size: 0.5 }", "must be a whole number of at least 1"],
  ])("are refused with %s", (text, message) => {
    expect(() => throttleOf(text)).toThrow(message);
  });
});
