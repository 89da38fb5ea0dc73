import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
  camera/locked/hd:
    camera: { url: "rtsp://viewer:\${CAM_PASSWORD}@127.0.0.1:1/a", max_failures: 3 }
    interval_sec: 0.5
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
  fleet = join(makeTempDir("fleet"), "fleet.yaml");
  writeFileSync(fleet, FLEET);
});

afterAll(async () => await heard.close());

async function watch(id: string): Promise<RunbeatProcess> {
  const env = { NATS_URL: server.url, RUNBEAT_FLEET: fleet, CAM_PASSWORD: "s3cret" };
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
