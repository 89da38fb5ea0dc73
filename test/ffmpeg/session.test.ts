import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type {
  CameraSession,
  Frame,
  FrameFormat,
  SessionEnd,
} from "../../lib/core/camera-session.ts";
import type { CameraInput } from "../../lib/ffmpeg/arguments.ts";
import { openFfmpegSession } from "../../lib/ffmpeg/session.ts";
import { spawnGroup } from "../../lib/runner/child-group.ts";
import { isProcessAlive } from "../../lib/runner/process-identity.ts";
import { waitFor } from "../support/wait-for.ts";
import { ffmpegProgram } from "./ffmpeg-program.ts";

const GRAY: FrameFormat = { width: 160, height: 90, pixels: "gray", maxFps: 5 };
const PATTERN: CameraInput = {
  url: "testsrc2=size=640x360:rate=15",
  inputFormat: "lavfi",
  lowLatency: false,
  stallSec: 2,
};

interface Opened {
  readonly session: CameraSession;
  readonly frames: Frame[];
  readonly isStreaming: () => boolean;
}

const sessions: CameraSession[] = [];

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.stop()));
});

async function open(input: Partial<CameraInput>, wanted: FrameFormat | null): Promise<Opened> {
  const frames: Frame[] = [];
  let isStreaming = false;
  const session = openFfmpegSession(
    {
      ffmpeg: await ffmpegProgram(),
      input: { ...PATTERN, ...input },
      frames: wanted,
      spawn: spawnGroup,
      env: process.env,
    },
    { onFrame: (frame) => frames.push(frame), onStreaming: () => (isStreaming = true) },
  );
  sessions.push(session);
  return { session, frames, isStreaming: () => isStreaming };
}

function failure(end: SessionEnd) {
  return end.reason === "failed" ? end.fault : undefined;
}

describe("an FFmpeg session", () => {
  it("measures the rate of its source and hands over pictures at the rate that is wanted", async () => {
    const { session, frames, isStreaming } = await open({}, GRAY);
    await waitFor(isStreaming);
    const fps = await waitFor(() => (session.frames >= 75 ? session.fps() : null));
    expect(fps).toBeGreaterThan(13.5);
    expect(fps).toBeLessThan(16.5);
    expect(frames[0]).toMatchObject({ width: 160, height: 90 });
    expect(frames[0]?.data).toHaveLength(160 * 90);
    expect(frames.length).toBeGreaterThan(session.frames / 4);
    expect(frames.length).toBeLessThan(session.frames / 2.5);
    const values = new Set(frames[0]?.data);
    expect(values.size).toBeGreaterThan(20);
    expect(await session.stop()).toMatchObject({ reason: "stopped" });
    expect(isProcessAlive(session.pid)).toBe(false);
  });

  it("counts frames although nobody wants pictures", async () => {
    const { session, frames } = await open({}, null);
    await waitFor(() => session.frames > 20);
    expect(frames).toEqual([]);
  });

  it("is a failure when FFmpeg is killed", async () => {
    const { session, isStreaming } = await open({}, null);
    await waitFor(isStreaming);
    process.kill(session.pid, "SIGKILL");
    expect(failure(await session.ended)).toMatchObject({
      name: "killed",
      message: "FFmpeg was ended by SIGKILL",
      retry: "yes",
    });
  });

  it("is a failure when the picture stands, and ends a stopped FFmpeg", async () => {
    const { session, isStreaming } = await open({ stallSec: 1 }, GRAY);
    await waitFor(isStreaming);
    process.kill(session.pid, "SIGSTOP");
    const fault = failure(await session.ended);
    expect(fault).toMatchObject({ name: "stalled", message: "No new picture for 1 s" });
    expect(isProcessAlive(session.pid)).toBe(false);
  });

  it("is a failure when the input ends, although FFmpeg is content with it", async () => {
    const { session } = await open({ url: "testsrc2=size=64x64:rate=10:duration=0.5" }, null);
    expect(failure(await session.ended)).toMatchObject({
      name: "ended",
      message: "The stream ended",
    });
  });

  it.each([
    ["rtsp://viewer:s3cret@127.0.0.1:1/stream", "refused", "Nothing answers on the RTSP port"],
    ["rtsp://viewer:s3cret@no-such-camera.invalid/stream", "unknown_host", "Camera name not found"],
    ["rtsp://viewer:it's3cret@127.0.0.1:1/a", "refused", "Nothing answers on the RTSP port"],
    ["rtsp://127.0.0.1:1/stream", "refused", "Nothing answers on the RTSP port"],
  ])("explains why %s can't be opened, without its password", async (url, name, message) => {
    const { session } = await open({ url, inputFormat: undefined as never }, null);
    const shown = spawnSync("ps", ["-ww", "-o", "args=", "-p", String(session.pid)]).stdout;
    const fault = failure(await session.ended);
    expect(fault).toMatchObject({ name, message });
    expect(shown.toString() + JSON.stringify(fault)).not.toContain("s3cret");
  });

  it("keeps the password out of the argument list of an FFmpeg that waits for its camera", async () => {
    const greedy = createServer((socket) => socket.on("error", () => {}).resume());
    await new Promise<void>((resolve) => greedy.listen(0, "127.0.0.1", resolve));
    const { port } = greedy.address() as AddressInfo;
    const url = `rtsp://viewer:s3cr'et@127.0.0.1:${port}/stream`;
    const { session } = await open({ url, inputFormat: undefined as never }, null);
    await waitFor(
      () =>
        new Promise<boolean>((resolve) => {
          greedy.getConnections((_, count) => resolve(count > 0));
        }),
    );
    const shown = readFileSync(`/proc/${session.pid}/cmdline`, "utf8");
    expect(shown).toContain("concat");
    expect(shown).not.toContain("s3cr");
    await session.stop();
    greedy.close();
  });
});
