import { afterEach, describe, expect, it } from "vitest";
import { openFfmpegSession } from "../../lib/ffmpeg/session.ts";
import type { CameraInput } from "../../lib/ffmpeg/arguments.ts";
import type { CameraSession, SessionEnd, SessionHooks } from "../../lib/core/camera-session.ts";
import { decodeHeartbeatBody } from "../../lib/core/decode-heartbeat.ts";
import { createAnalyser } from "../../lib/runner/analysers/named.ts";
import { startCameraRunner } from "../../lib/runner/camera-runner.ts";
import type { CameraRunner } from "../../lib/runner/camera-runner.ts";
import type { CameraTransition } from "../../lib/runner/camera-transitions.ts";
import { spawnGroup } from "../../lib/runner/child-group.ts";
import { isProcessAlive } from "../../lib/runner/process-identity.ts";
import { pictureLimits } from "../../lib/runner/picture-watch.ts";
import { createUsageMeter } from "../../lib/runner/process-usage.ts";
import { DEFAULT_WATCHDOG } from "../../lib/runner/watchdog.ts";
import type { WatchdogPolicy } from "../../lib/runner/watchdog.ts";
import { ffmpegProgram } from "../ffmpeg/ffmpeg-program.ts";
import { waitFor } from "../support/wait-for.ts";

const PATTERN: CameraInput = {
  url: "testsrc2=size=640x360:rate=15",
  inputFormat: "lavfi",
  lowLatency: false,
  stallSec: 2,
};
const QUICK = { ...DEFAULT_WATCHDOG, backoffSec: [0.1, 0.2, 0.3] };

const STOPPED: SessionEnd = { reason: "stopped", exit: { code: 0, signal: null }, tail: [] };
const IDLE_SESSION: CameraSession = {
  pid: 1,
  startedAt: 0,
  argv: [],
  backend: "cpu",
  frames: 0,
  fps: () => null,
  counts: new Map(),
  ended: new Promise(() => {}),
  stop: async () => await Promise.resolve(STOPPED),
};

interface Started {
  readonly camera: CameraRunner;
  readonly transitions: CameraTransition[];
  readonly errors: string[];
  readonly pids: number[];
}

const cameras: CameraRunner[] = [];

afterEach(async () => {
  await Promise.all(cameras.splice(0).map((camera) => camera.stop()));
});

async function start(
  input: Partial<CameraInput>,
  policy: WatchdogPolicy,
  analyser = "motion",
): Promise<Started> {
  const transitions: CameraTransition[] = [];
  const errors: string[] = [];
  const pids: number[] = [];
  const ffmpeg = await ffmpegProgram();
  const camera = startCameraRunner({
    open: (frames, hooks) => {
      const session = openFfmpegSession(
        { ffmpeg, input: { ...PATTERN, ...input }, frames, spawn: spawnGroup, env: process.env },
        hooks,
      );
      pids.push(session.pid);
      return session;
    },
    analyser: createAnalyser(analyser),
    policy,
    measure: createUsageMeter(process.pid),
    labels: { analyser },
    picture: pictureLimits({ blackSec: 2, frozenSec: 2 }),
    onTransition: (transition) => transitions.push(transition),
    onError: (message) => errors.push(message),
  });
  cameras.push(camera);
  return { camera, transitions, errors, pids };
}

describe("a camera runner", () => {
  it("says what it sees in a heartbeat that the pipeline takes", async () => {
    const { camera } = await start({}, DEFAULT_WATCHDOG);
    const beat = await waitFor(() => {
      const part = camera.collect();
      return (part.detected ?? 0) > 0 && (part.fps ?? 0) > 0 ? part : undefined;
    });
    expect(beat).toMatchObject({ health: "healthy", camera_state: "healthy", last_error: "" });
    expect(beat.fps).toBeGreaterThan(12);
    expect(beat.fps).toBeLessThan(18);
    expect(beat.latency_ms).toBeLessThan(200);
    expect(beat.resources?.memory_mb).toBeGreaterThan(20);
    expect(decodeHeartbeatBody("camera/a/b", { pid: 1, ...beat })).toMatchObject({ ok: true });
  });

  it("connects again after FFmpeg was killed, and tells why in between", async () => {
    const { camera, transitions, pids } = await start({}, { ...QUICK, backoffSec: [1] });
    await waitFor(() => transitions.some(({ to }) => to === "healthy"));
    process.kill(pids[0] ?? 0, "SIGKILL");
    const down = await waitFor(() => (camera.collect().last_error ? camera.collect() : undefined));
    expect(down).toMatchObject({
      camera_state: "reconnecting",
      health: "degraded",
      fps: 0,
      last_error: expect.stringMatching(
        /^FFmpeg was ended by SIGKILL\. Failure 1 of 10, next try after (0\.9|1(\.1)?) s$/,
      ) as string,
    });
    await waitFor(() => camera.collect().camera_state === "healthy");
    expect(pids).toHaveLength(2);
    expect(camera.collect()).toMatchObject({
      last_error: "",
      metrics: { failures: 1, sessions: 2 },
    });
  });

  it("takes a stopped FFmpeg for a stall", async () => {
    const { camera, transitions, pids } = await start({ stallSec: 1 }, QUICK);
    await waitFor(() => transitions.some(({ to }) => to === "healthy"));
    process.kill(pids[0] ?? 0, "SIGSTOP");
    await waitFor(() => transitions.some(({ reason }) => /No new picture for 1 s/.test(reason)));
    await waitFor(() => camera.collect().camera_state === "healthy");
    expect(pids.length).toBeGreaterThanOrEqual(2);
  });

  it("becomes degraded, then offline, and starts over when told to reconnect", async () => {
    const { camera, transitions, errors } = await start(
      { url: "rtsp://127.0.0.1:1/a", inputFormat: undefined as never },
      { ...QUICK, maxFailures: 5 },
    );
    await waitFor(() => camera.collect().camera_state === "offline");
    // The first failure is told as well, the next ones of the same kind are not.
    expect(transitions.map(({ from, to }) => `${from} ${to}`)).toEqual([
      "reconnecting reconnecting",
      "reconnecting degraded",
      "degraded offline",
    ]);
    expect(transitions[0]?.reason).toContain("Failure 1 of 5");
    expect(errors).toHaveLength(5);
    expect(errors.at(-1)).toContain("Given up after failure 5 of 5");
    expect(camera.collect()).toMatchObject({
      health: "unhealthy",
      last_error: expect.stringContaining("Nothing answers on the RTSP port") as string,
      detail: { fault: "refused" },
    });
    camera.reconnect();
    expect(camera.history().at(-1)).toMatchObject({
      from: "offline",
      to: "reconnecting",
      reason: "it was asked to reconnect",
    });
    await waitFor(() => errors.length === 6);
  });

  it("ends its FFmpeg when it is stopped, and does not start another", async () => {
    const { camera, transitions, pids } = await start({}, QUICK);
    await waitFor(() => transitions.some(({ to }) => to === "healthy"));
    await camera.stop();
    expect(isProcessAlive(pids[0] ?? 0)).toBe(false);
    expect(pids).toHaveLength(1);
  });

  it.each([
    ["color=black:size=320x180:rate=10", "black", "The picture is black. Check the lens"],
    ["testsrc2=size=320x180:rate=10,loop=-1:1:30", "frozen", "The picture does not change"],
  ])("is degraded while %s shows nothing new", async (url, picture, text) => {
    const { camera, transitions } = await start({ url }, QUICK);
    const bad = await waitFor(() => transitions.find(({ to }) => to === "degraded"));
    expect(bad).toMatchObject({ from: "healthy", reason: expect.stringContaining(text) as string });
    expect(camera.collect()).toMatchObject({
      health: "degraded",
      last_error: expect.stringContaining(text) as string,
      detail: { picture },
    });
  });

  it("is healthy again when the picture comes back, without an analyser too", async () => {
    const url = "testsrc2=size=320x180:rate=10,drawbox=t=fill:color=black:enable='lt(t,5)'";
    const { camera, transitions } = await start({ url }, QUICK, "none");
    await waitFor(() => transitions.length === 3);
    expect(transitions.map(({ to }) => to)).toEqual(["healthy", "degraded", "healthy"]);
    expect(camera.history().at(-1)?.reason).toBe("the picture is good again");
    expect(camera.collect()).toMatchObject({ last_error: "", metrics: { frames_analysed: 0 } });
  });

  it("is degraded while its stream suffers", () => {
    const transitions: CameraTransition[] = [];
    let told: SessionHooks | undefined;
    const camera = startCameraRunner({
      open: (_, hooks) => {
        told = hooks;
        return IDLE_SESSION;
      },
      analyser: createAnalyser("none"),
      policy: DEFAULT_WATCHDOG,
      picture: pictureLimits(),
      measure: () => undefined,
      labels: {},
      onTransition: (transition) => transitions.push(transition),
    });
    told?.onStreaming();
    told?.onTrouble?.("Packets are being lost");
    expect(camera.collect()).toMatchObject({
      camera_state: "degraded",
      last_error: "Packets are being lost",
    });
    told?.onTrouble?.(null);
    expect(transitions.map(({ to, reason }) => [to, reason])).toEqual([
      ["healthy", "pictures come"],
      ["degraded", "Packets are being lost"],
      ["healthy", "the stream suffers no longer"],
    ]);
    expect(camera.collect().last_error).toBe("");
  });
});
