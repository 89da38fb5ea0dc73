import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isProcessAlive, readProcessStat } from "../../lib/runner/process-identity.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { hear, runbeat } from "./runbeat-process.ts";
import type { Body, Heard, RunbeatProcess } from "./runbeat-process.ts";

const FLEET = `
runners:
  camera/pattern/demo:
    camera: { url: "testsrc2=size=320x180:rate=15", input_format: lavfi, analyse: motion }
    interval_sec: 0.5
    labels: { site: lab }
  camera/counted/hd:
    camera:
      url: "testsrc2=size=320x180:rate=15"
      input_format: lavfi
      analyse: { command: [python3, count.py], width: 32, height: 18, pixels: gray, fps: 10 }
    interval_sec: 0.3
  camera/locked/hd:
    camera: { url: "rtsp://viewer:\${CAM_PASSWORD}@127.0.0.1:1/a", max_failures: 3 }
    interval_sec: 0.5
`;

/** Counts the pictures that it is shown, and leaves its number. */
const COUNT = `
import json, os, sys
open("count.pid", "w").write(str(os.getpid()))
count = 0
while len(sys.stdin.buffer.read(32 * 18)) == 32 * 18:
    count += 1
    print(json.dumps({"detected": count, "matched": 1}), flush=True)
`;

let server: TestNatsServer;
let heard: Heard;
let fleet = "";

beforeAll(async () => {
  server = await startNatsServer();
  const nc = await connect({ servers: server.url });
  await makeStreams(nc);
  await nc.close();
  heard = await hear(server.url);
  const folder = makeTempDir("fleet");
  fleet = join(folder, "fleet.yaml");
  writeFileSync(join(folder, "count.py"), COUNT);
  writeFileSync(fleet, FLEET);
});

afterAll(async () => await heard.close());

async function watch(id: string): Promise<RunbeatProcess> {
  const env = {
    NATS_URL: server.url,
    RUNBEAT_FLEET: fleet,
    CAM_PASSWORD: "s3cret",
    HEARTBEAT_SNAPSHOT_EVERY: "0.5",
  };
  return await runbeat(["runner", id], env);
}

function beatsOf(runner: string, pid: number): Body[] {
  return heard.beats.filter((beat) => beat["runner"] === runner && beat["pid"] === pid);
}

/** FFmpeg below the process. */
function ffmpegOf(pid: number): number | undefined {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).find((child) => {
    const isChild = readProcessStat(child)?.parentPid === pid;
    return isChild && readFileSync(`/proc/${child}/cmdline`, "utf8").includes("-progress");
  });
}

describe("runbeat runner", () => {
  it("beats with the figures of the fleet file's camera until it is stopped, and leaves nothing", async () => {
    const process = await watch("pattern/demo");
    const beats = await waitFor(() => {
      const own = beatsOf("camera/pattern/demo", process.pid);
      return own.some(({ fps, detected }) => fps !== undefined && detected !== 0) ? own : null;
    });
    const beat = beats.findLast(({ fps }) => fps !== undefined);
    expect(beat).toMatchObject({ camera_state: "healthy", interval_sec: 0.5, last_error: "" });
    expect(beat?.["fps"]).toBeGreaterThan(12);
    expect(beat?.["fps"]).toBeLessThan(18);
    const heavy = beats.find(({ labels }) => labels !== undefined);
    expect(heavy?.["labels"]).toMatchObject({ site: "lab", analyser: "motion", backend: "cpu" });
    const ffmpeg = await waitFor(() => ffmpegOf(process.pid));

    process.child.kill("SIGTERM");
    expect((await process.ended).code).toBe(0);
    expect(isProcessAlive(ffmpeg)).toBe(false);
    expect(heard.events.map(({ type }) => type)).toContain("camera_online");
  });

  it("hands pictures to a program beside the fleet file, and goes on when that is killed", async () => {
    const process = await watch("camera/counted/hd");
    const last = () => beatsOf("camera/counted/hd", process.pid).at(-1);
    await waitFor(() => Number(last()?.["detected"]) >= 10);
    expect(last()).toMatchObject({ camera_state: "healthy", matched: 1, last_error: "" });
    expect(last()?.["latency_ms"]).toBeGreaterThan(0);
    const file = join(dirname(fleet), "count.pid");
    const pid = Number(readFileSync(file, "utf8"));
    globalThis.process.kill(pid, "SIGKILL");
    const beat = await waitFor(() => (last()?.["last_error"] === "" ? undefined : last()));
    expect(beat).toMatchObject({
      camera_state: "healthy",
      last_error: "Analyser count.py failed: it ended with SIGKILL",
    });
    await waitFor(() => Number(last()?.["detected"]) > 0 && last()?.["last_error"] === "");
    const next = Number(readFileSync(file, "utf8"));
    expect(next).not.toBe(pid);
    process.child.kill("SIGTERM");
    await process.ended;
    expect(isProcessAlive(next)).toBe(false);
  });

  it("takes FFmpeg along when it is killed", async () => {
    const process = await watch("camera/pattern/demo");
    const ffmpeg = await waitFor(() => ffmpegOf(process.pid));
    process.child.kill("SIGKILL");
    await waitFor(() => !isProcessAlive(ffmpeg));
  });

  it("lives on and says why when its camera is given up, and shows no password", async () => {
    const process = await watch("camera/locked/hd");
    const beat = await waitFor(() =>
      beatsOf("camera/locked/hd", process.pid).find(({ camera_state: is }) => is === "offline"),
    );
    expect(beat).toMatchObject({
      health: "unhealthy",
      fps: 0,
      last_error: expect.stringMatching(/^Nothing answers on the RTSP port\. /) as string,
    });
    const count = beatsOf("camera/locked/hd", process.pid).length;
    await waitFor(() => beatsOf("camera/locked/hd", process.pid).length > count + 1);
    expect(heard.events.some(({ type }) => type === "camera_offline")).toBe(true);
    process.child.kill("SIGTERM");
    await process.ended;
    const told = JSON.stringify([heard.beats, heard.events, process.output()]);
    expect(told).not.toContain("s3cret");
  });
});
