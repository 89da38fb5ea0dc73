/** A real camera stream with a login, and everything that goes wrong with one. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hear, runbeat } from "../runner/runbeat-process.ts";
import type { Body, Heard, RunbeatProcess } from "../runner/runbeat-process.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { RTSP_PASSWORD, RTSP_USER, startRtspServer } from "./rtsp-server.ts";
import type { RtspServer } from "./rtsp-server.ts";

const COMMON = [
  "interval_sec: 0.3, camera: { stall_sec: 2, max_failures: 4, ",
  "reconnect: { backoff_sec: [0.2, 0.4], degraded_after: 3, good_sec: 1, slow_sec: 0.5 }, url: ",
].join("");

function fleetText(port: number, password: string): string {
  const login = `rtsp://${RTSP_USER}:${password}@127.0.0.1`;
  return `
runners:
  camera/right/hd: { ${COMMON} "${login}:${port}/live" } }
  camera/gpu/hd: { ${COMMON} "${login}:${port}/live", hwaccel: cuda } }
  camera/password/hd: { ${COMMON} "rtsp://${RTSP_USER}:${RTSP_PASSWORD.length}@127.0.0.1:${port}/live" } }
  camera/path/hd: { ${COMMON} "${login}:${port}/attic" } }
  camera/port/hd: { ${COMMON} "${login}:1/live" } }
`;
}

const processes = new Map<string, RunbeatProcess>();
/** Of every process of this host, as anybody may read them. */
const argumentLists = new Set<string>();
let camera: RtspServer;
let natsUrl = "";
const folder = makeTempDir("rtsp");
let heard: Heard;
let fleet = "";

beforeAll(async () => {
  const [nats, rtsp] = await Promise.all([startNatsServer(), startRtspServer()]);
  camera = rtsp;
  natsUrl = nats.url;
  const nc = await connect({ servers: natsUrl });
  await makeStreams(nc);
  await nc.close();
  heard = await hear(natsUrl);
  fleet = join(folder, "fleet.yaml");
  writeFileSync(fleet, fleetText(camera.port, encodeURIComponent(RTSP_PASSWORD)));
  await Promise.all(["right", "gpu", "password", "path", "port"].map(watch));
});

afterAll(async () => {
  await Promise.all([...processes.values()].map(end));
  await heard.close();
});

async function end(process: RunbeatProcess): Promise<void> {
  process.child.kill("SIGTERM");
  await process.ended;
}

async function watch(name: string): Promise<void> {
  const process = await runbeat(["runner", `camera/${name}/hd`], {
    NATS_URL: natsUrl,
    RUNBEAT_FLEET: fleet,
    HEARTBEAT_SNAPSHOT_EVERY: "0.3",
  });
  processes.set(name, process);
}

function beats(name: string): Body[] {
  return heard.beats.filter(({ runner }) => runner === `camera/${name}/hd`);
}

/** A heartbeat from now on that is like this. */
async function nextBeat(name: string, like: (beat: Body) => boolean): Promise<Body> {
  const from = beats(name).length;
  return await waitFor(() => {
    readArgumentLists();
    return beats(name).slice(from).find(like);
  });
}

function isState(state: string): (beat: Body) => boolean {
  return (beat) => beat["camera_state"] === state;
}

function isLike(type: string, reason: string) {
  return (event: Heard["events"][number]) =>
    event.type === type && String(event.body["reason"]).includes(reason);
}

function errors(name: string): string {
  return [...new Set(beats(name).map((beat) => String(beat["last_error"])))].join("\n");
}

function readArgumentLists(): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      argumentLists.add(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
    } catch {
      // It has just ended.
    }
  }
}

describe("a camera behind a login", () => {
  it("is online with its own frame rate when all is right", async () => {
    const beat = await nextBeat("right", ({ fps }) => Number(fps) > 0);
    expect(beat).toMatchObject({ camera_state: "healthy", health: "healthy", last_error: "" });
    expect(beat["fps"]).toBeGreaterThan(12);
    expect(beat["fps"]).toBeLessThan(18);
    expect(heard.events.map(({ type }) => type)).toContain("camera_online");
  });

  it.each([
    ["password", "Camera rejected the username or password. Check both"],
    ["path", "Stream path does not exist on the camera. Check the part of the URL after the host"],
    ["port", "Nothing answers on the RTSP port. Check the port"],
  ])("says what is wrong with a wrong %s, and when it tries again", async (name, message) => {
    const beat = await nextBeat(name, isState("offline"));
    expect(beat).toMatchObject({ health: "unhealthy", fps: 0 });
    expect(beat["last_error"]).toContain(message);
    expect(beat["last_error"]).toMatch(/Given up after failure 4 of 4$/);
    expect(beats(name).map((each) => each["camera_state"])).toContain("degraded");
    expect(errors(name)).toMatch(/Failure 1 of 4, next try after 0\.[2-6] s/);
    expect(errors(name)).toMatch(/Failure 3 of 4, next try after 0\.[3-6] s/);
  });

  it.skipIf(existsSync("/dev/nvidiactl"))(
    "is decoded by the CPU where there is no GPU",
    async () => {
      const beat = await nextBeat(
        "gpu",
        ({ labels, fps }) => Number(fps) > 0 && labels !== undefined,
      );
      expect(errors("gpu")).toContain(
        "GPU decoding is unavailable. Decoding falls back to the CPU",
      );
      expect(beat).toMatchObject({ camera_state: "healthy", labels: { backend: "cpu" } });
      await end(processes.get("gpu") as RunbeatProcess);
    },
  );

  it("is tried again when it freezes, and is healthy again when it goes on", async () => {
    camera.signal("SIGSTOP");
    const beat = await nextBeat("right", ({ fps }) => fps === 0);
    expect(beat["last_error"]).toMatch(/No new picture for 2 s|Camera did not answer|stream ended/);
    expect(beat["last_error"]).toMatch(/Failure 1 of 4, next try after 0\.[12] s$/);
    expect(beat["camera_state"]).toBe("reconnecting");
    await waitFor(() => heard.events.some(isLike("camera_degraded", "Failure 1 of 4, next try")));
    camera.signal("SIGCONT");
    await nextBeat("right", isState("healthy"));
  });

  it("is given up when it stays away, and comes back when it is told to reconnect", async () => {
    await camera.kill();
    const beat = await nextBeat("right", isState("offline"));
    expect(beat["last_error"]).toContain("Nothing answers on the RTSP port");
    await waitFor(() => heard.events.some(isLike("camera_offline", "Given up after failure 4")));
    camera = await startRtspServer(camera.port);
    processes.get("right")?.child.kill("SIGUSR2");
    const back = await nextBeat("right", isState("healthy"));
    expect(back).toMatchObject({ last_error: "" });
  });

  it("comes back by itself after a short absence", async () => {
    await camera.kill();
    await nextBeat("right", isState("reconnecting"));
    camera = await startRtspServer(camera.port);
    expect(await nextBeat("right", isState("healthy"))).toMatchObject({ last_error: "" });
  });

  it("is watched by order of an enforcer, and reports what happens", async () => {
    const [reports, log] = [join(folder, "run.ndjson"), join(folder, "run.log")];
    const url = `rtsp://${RTSP_USER}:${encodeURIComponent(RTSP_PASSWORD)}@127.0.0.1:${camera.port}/attic`;
    const order = {
      order: "run",
      runner: "camera/ordered/hd",
      intervalSec: 0.3,
      labels: {},
      camera: { url, analyse: "none", lowLatency: false, stallSec: 2, maxFailures: 1 },
      files: { reports, log },
    };
    const env = { NATS_URL: natsUrl };
    const args = ["runner", "camera/ordered/hd", "--supervised"];
    const process = await runbeat(args, env, JSON.stringify(order));
    processes.set("ordered", process);
    await nextBeat("ordered", isState("offline"));
    await end(process);
    const events = readFileSync(reports, "utf8").trim().split("\n");
    expect(events.map((line) => (JSON.parse(line) as Body)["event"])).toEqual([
      "spawned",
      "camera",
      "exited",
    ]);
    expect(events[1]).toContain("Stream path does not exist on the camera");
  });

  it("shows its password nowhere", () => {
    const files = ["run.ndjson", "run.log"].map((name) => readFileSync(join(folder, name), "utf8"));
    const outputs = [...processes.values()].map((process) => process.output());
    const told = JSON.stringify([heard.beats, heard.events, outputs, files, [...argumentLists]]);
    expect(told).toContain("-progress");
    for (const secret of [RTSP_PASSWORD, encodeURIComponent(RTSP_PASSWORD)]) {
      expect(told).not.toContain(secret);
    }
  });
});
