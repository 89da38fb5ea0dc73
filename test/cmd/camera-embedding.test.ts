import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { startCamera } from "../../cmd/camera-embedding.ts";
import type {
  CameraTransition,
  EmbeddedCamera,
  FrameFigures,
  StartCameraOptions,
  ThrottleChange,
} from "../../cmd/camera-embedding.ts";
import { startResourceGuard } from "../../lib/runner/resource-guard.ts";
import { projectRoot } from "../../config/project-root.ts";
import { ffmpegProgram } from "../ffmpeg/ffmpeg-program.ts";
import { waitFor } from "../support/wait-for.ts";

const cameras: EmbeddedCamera[] = [];

afterEach(async () => {
  await Promise.all(cameras.splice(0).map(async (camera) => await camera.stop()));
});

async function start(options: Partial<StartCameraOptions>): Promise<EmbeddedCamera> {
  const pattern = { url: "testsrc2=size=320x180:rate=10", inputFormat: "lavfi" };
  const { path } = await ffmpegProgram();
  const camera = await startCamera({ ...pattern, ffmpeg: path, ...options });
  cameras.push(camera);
  return camera;
}

describe("a camera within a program of one's own", () => {
  it("tells of its state and of every picture that its own analyser has seen", async () => {
    const transitions: CameraTransition[] = [];
    const figures: FrameFigures[] = [];
    const camera = await start({
      analyser: {
        name: "own",
        wants: { width: 32, height: 18, pixels: "rgb24", maxFps: 10 },
        analyse: ({ data }) => ({ detected: data.length, matched: 1 }),
      },
      onTransition: (transition) => transitions.push(transition),
      onFrame: (frame) => figures.push(frame),
    });
    await waitFor(() => figures.length >= 3);
    expect(figures[0]).toMatchObject({ detected: 32 * 18 * 3, matched: 1 });
    expect(figures[0]?.latencyMs).toBeGreaterThanOrEqual(0);
    expect(transitions).toMatchObject([{ from: "reconnecting", to: "healthy" }]);
    expect(camera.state).toBe("healthy");
    expect(camera.history()).toEqual(transitions);
    expect(camera.collect()).toMatchObject({
      camera_state: "healthy",
      labels: { analyser: "own" },
    });
    camera.reconnect();
    expect(camera.state).toBe("reconnecting");
    await waitFor(() => camera.state === "healthy");
  });

  it("is throttled by a guard that it is given, and tells why", async () => {
    const guard = startResourceGuard({ everySec: 0.05 });
    const changes: ThrottleChange[] = [];
    const camera = await start({
      analyser: "motion",
      guard,
      throttle: { maxMemoryPercent: 0.1 },
      onThrottle: (change) => changes.push(change),
    });
    await waitFor(() => changes.length === 1);
    guard.stop();
    expect(changes[0]).toMatchObject({
      on: true,
      reason: expect.stringMatching(/^Memory at \d+%, limit 0\.1%$/) as string,
    });
    expect(camera.collect().resources).toMatchObject({ throttled: true });
  });

  it("goes on when a callback throws, and tells what went wrong", async () => {
    const errors: string[] = [];
    const camera = await start({
      analyser: "motion",
      onTransition: () => {
        throw new Error("the host's own fault");
      },
      onError: (message) => {
        errors.push(message);
        throw new Error("again");
      },
    });
    await waitFor(() => camera.state === "healthy" && errors.length > 0);
    expect(errors[0]).toBe("onTransition threw: the host's own fault");
    await waitFor(() => (camera.collect().detected ?? 0) > 0);
  });

  it("says why it can't be reached, without its password", async () => {
    const errors: string[] = [];
    const camera = await start({
      url: "http://viewer:s3cret@127.0.0.1:1/a",
      inputFormat: undefined as never,
      maxFailures: 1,
      onError: (message) => errors.push(message),
    });
    await waitFor(() => camera.state === "offline");
    expect(errors[0]).toMatch(/^Nothing answers on the RTSP port/);
    expect(JSON.stringify([errors, camera.history(), camera.collect()])).not.toContain("s3cret");
  });

  it("is an export of the package", () => {
    const text = readFileSync(join(projectRoot(), "package.json"), "utf8");
    const { exports } = JSON.parse(text) as { exports: Record<string, { default: string }> };
    const source = exports["./camera"]?.default.replace("dist/", "").replace(/js$/, "ts") ?? "";
    expect(existsSync(join(projectRoot(), source))).toBe(true);
  });
});
