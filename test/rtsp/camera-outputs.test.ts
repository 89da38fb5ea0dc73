import { execFileSync } from "node:child_process";
import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ffmpegProgram } from "../ffmpeg/ffmpeg-program.ts";
import { hear, runbeat } from "../runner/runbeat-process.ts";
import type { Body, Heard, RunbeatProcess } from "../runner/runbeat-process.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { RTSP_PASSWORD, RTSP_USER, startRtspServer } from "./rtsp-server.ts";

const folder = makeTempDir("outputs");
const clips = join(folder, "clips");
const processes: RunbeatProcess[] = [];
let receiver: Server;
let received = 0;
let heard: Heard;

beforeAll(async () => {
  const [nats, camera] = await Promise.all([startNatsServer(), startRtspServer()]);
  const nc = await connect({ servers: nats.url });
  await makeStreams(nc);
  await nc.close();
  heard = await hear(nats.url);
  receiver = createServer((socket) => {
    socket.on("data", (chunk) => (received += chunk.length)).on("error", () => {});
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const { port } = receiver.address() as AddressInfo;
  const url = `rtsp://${RTSP_USER}:${encodeURIComponent(RTSP_PASSWORD)}@127.0.0.1:${camera.port}/live`;
  const fleet = join(folder, "fleet.yaml");
  const recorded = `record: { folder: clips, segment_sec: 1, keep_hours: 1 }`;
  const keys = `url: "${url}", reconnect: { backoff_sec: [0.3] }`;
  writeFileSync(
    fleet,
    `runners:
  camera/good/hd: { interval_sec: 0.3, camera: { ${keys}, ${recorded}, restream: "tcp://127.0.0.1:${port}" } }
  camera/bad/hd: { interval_sec: 0.3, camera: { ${keys}, restream: "tcp://127.0.0.1:1" } }
`,
  );
  makeOldFiles();
  const env = { NATS_URL: nats.url, RUNBEAT_FLEET: fleet, HEARTBEAT_SNAPSHOT_EVERY: "0.3" };
  for (const id of ["good/hd", "bad/hd"]) processes.push(await runbeat(["runner", id], env));
});

afterAll(async () => {
  for (const { child } of processes) child.kill("SIGTERM");
  await Promise.all(processes.map(async ({ ended }) => await ended));
  receiver.close();
  await heard.close();
});

/** An old recording, and an old file of somebody's. */
function makeOldFiles(): void {
  execFileSync("mkdir", [clips]);
  for (const name of ["20200101-000000.mkv", "holiday.mkv"]) {
    writeFileSync(join(clips, name), "");
    utimesSync(join(clips, name), 0, 0);
  }
}

function lastBeat(name: string, like: (beat: Body) => boolean): Body | undefined {
  return heard.beats.findLast((beat) => beat["runner"] === `camera/${name}/hd` && like(beat));
}

function checksOf(beat: Body): Record<string, unknown> {
  return (beat["checks"] ?? {}) as Record<string, unknown>;
}

describe("a camera's outputs", () => {
  it("record files that play, and remove only old recordings", async () => {
    const files = await waitFor(() => {
      const names = readdirSync(clips).filter((name) => /^2\d{7}-\d{6}\.mkv$/.test(name));
      return names.length >= 3 ? names.toSorted() : undefined;
    });
    expect(files[0]).not.toBe("20200101-000000.mkv");
    expect(readdirSync(clips)).toContain("holiday.mkv");
    const { path } = await ffmpegProgram();
    const args = ["-v", "error", "-i", join(clips, files[0] ?? ""), "-f", "null", "-"];
    expect(execFileSync(path, args, { encoding: "utf8" })).toBe("");
  });

  it("hand the stream on, and say that all is well", async () => {
    await waitFor(() => received > 10_000);
    const beat = await waitFor(() => lastBeat("good", (one) => "restream_ok" in checksOf(one)));
    expect(beat).toMatchObject({
      camera_state: "healthy",
      last_error: "",
      checks: { record_ok: true, restream_ok: true },
    });
  });

  it("say what is wrong with them and are tried again, and the camera is watched all the same", async () => {
    const beat = await waitFor(() =>
      lastBeat(
        "bad",
        (one) => /Failure [3-9]/.test(String(one["last_error"])) && "restream_ok" in checksOf(one),
      ),
    );
    expect(beat["last_error"]).toMatch(/^Restreaming: Nothing answers/);
    expect(beat).toMatchObject({ camera_state: "healthy", checks: { restream_ok: false } });
    expect(beat["fps"]).toBeGreaterThan(5);
  });
});
