import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isProcessAlive } from "../../lib/runner/process-identity.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { hear, runbeat } from "./runbeat-process.ts";
import type { Body, Heard, RunbeatProcess } from "./runbeat-process.ts";

const folder = makeTempDir("fleet");
const fleet = join(folder, "fleet.yaml");
let server: TestNatsServer;
let url = "";
let heard: Heard;
let host: RunbeatProcess;

function camera(name: string, rate: number): string {
  return `  camera/${name}/demo: { interval_sec: 0.3, camera: { url: "testsrc2=size=160x90:rate=${rate}", input_format: lavfi, reconnect: { backoff_sec: [0.2] } } }`;
}

function writeFleet(...cameras: string[]): void {
  const own = `  camera/own/demo: { camera: { url: "testsrc2", input_format: lavfi, host: false } }`;
  const lines = ["defaults: { camera_host: true }", "runners:", own, ...cameras, ""];
  writeFileSync(fleet, lines.join("\n"));
}

beforeAll(async () => {
  server = await startNatsServer();
  ({ url } = server);
  const nc = await connect({ servers: url });
  await makeStreams(nc);
  await nc.close();
  heard = await hear(url);
  writeFleet(camera("one", 5), camera("two", 5));
  host = await runbeat(["runner", "--host", "--fleet", fleet], { NATS_URL: url });
});

afterAll(async () => {
  host.child.kill("SIGTERM");
  await host.ended;
  await heard.close();
});

function lastBeat(name: string): Body | undefined {
  return heard.beats.findLast(({ runner }) => runner === `camera/${name}/demo`);
}

function eventsOf(type: string, pid: unknown): Body[] {
  return heard.events
    .filter((event) => event.type === type && event.body["pid"] === pid)
    .map(({ body }) => body);
}

/** The camera's process once it has beaten and is not one of those. */
async function pidOf(name: string, not: readonly unknown[] = []): Promise<number> {
  return await waitFor(() => {
    const beat = lastBeat(name);
    const isGood = beat?.["camera_state"] === "healthy" && !not.includes(beat["pid"]);
    return isGood ? Number(beat["pid"]) : undefined;
  });
}

describe("a camera host", () => {
  it("drives all its cameras, each with FFmpeg for its process", async () => {
    const [one, two] = await Promise.all([pidOf("one"), pidOf("two")]);
    expect(new Set([one, two, host.pid]).size).toBe(3);
    expect(isProcessAlive(one)).toBe(true);
    const [spawned] = await waitFor(() => {
      const events = eventsOf("process_spawned", one);
      return events.length > 0 ? events : undefined;
    });
    expect(spawned?.["argv"]).toEqual(expect.arrayContaining(["-progress"]));
    expect(Date.parse(String(lastBeat("one")?.["started_at"]))).toBe(spawned?.["started_at"]);
    expect(lastBeat("own")).toBeUndefined();
  });

  it("tells the end of one camera's FFmpeg and starts another, and leaves the others alone", async () => {
    const [one, two] = [await pidOf("one"), await pidOf("two")];
    process.kill(one, "SIGKILL");
    await waitFor(() => eventsOf("process_exited", one).length === 1);
    expect(eventsOf("process_exited", one)[0]).toMatchObject({
      exit_code: null,
      signal: "SIGKILL",
    });
    const next = await pidOf("one", [one]);
    await waitFor(() => eventsOf("process_spawned", next).length === 1);
    expect(await pidOf("two")).toBe(two);
  });

  it("follows its fleet file: cameras go, come and change, and a bad edit changes nothing", async () => {
    const [one, two] = [await pidOf("one"), await pidOf("two")];
    writeFileSync(fleet, "runners: [");
    host.child.kill("SIGHUP");
    await waitFor(() => host.output().stderr.includes("The cameras are as they were"));
    expect([isProcessAlive(one), isProcessAlive(two)]).toEqual([true, true]);

    writeFleet(camera("two", 7), camera("three", 5));
    host.child.kill("SIGHUP");
    const three = await pidOf("three");
    await pidOf("two", [two]);
    expect([isProcessAlive(one), isProcessAlive(two)]).toEqual([false, false]);
    await waitFor(() => eventsOf("process_exited", one).length === 1);

    writeFleet(camera("two", 7), camera("three", 5), camera("four", 5));
    await pidOf("four");
    expect(await pidOf("three")).toBe(three);
  });

  it("watches on through an outage of NATS, and tells afterwards what happened in it", async () => {
    const three = await pidOf("three");
    await server.kill9();
    process.kill(three, "SIGKILL");
    await waitFor(() => !isProcessAlive(three));
    await server.restart();
    const next = await pidOf("three", [three]);
    await waitFor(() => eventsOf("process_spawned", next).length === 1);
    // Each event is tried again for itself: after an outage, the later one may come first.
    await waitFor(() => eventsOf("process_exited", three).length === 1);
  });

  it("leaves nothing behind when it is stopped", async () => {
    const pids = await Promise.all(["two", "three", "four"].map(async (name) => await pidOf(name)));
    host.child.kill("SIGTERM");
    expect((await host.ended).code).toBe(0);
    expect(pids.map((pid) => isProcessAlive(pid))).toEqual([false, false, false]);
    for (const pid of pids) expect(eventsOf("process_exited", pid)).toHaveLength(1);
  });

  it("takes an order like any supervised runner, beats for itself and reports its end", async () => {
    const files = { reports: join(folder, "run.ndjson"), log: join(folder, "run.log") };
    const order = {
      order: "run",
      runner: "service/camera-host/a",
      intervalSec: 0.3,
      labels: {},
      files,
    };
    const args = ["runner", "--host", "--supervised", "--fleet", fleet];
    const supervised = await runbeat(args, { NATS_URL: url }, JSON.stringify(order));
    const beat = await waitFor(() =>
      heard.beats.find(({ runner, pid }) => runner === order.runner && pid === supervised.pid),
    );
    expect(beat).toMatchObject({ health: "healthy", metrics: { cameras: 3 } });
    supervised.child.kill("SIGTERM");
    expect((await supervised.ended).code).toBe(0);
    const reports = readFileSync(files.reports, "utf8").trim().split("\n");
    expect(reports.map((line) => (JSON.parse(line) as Body)["event"])).toEqual([
      "spawned",
      "exited",
    ]);
    expect(readFileSync(files.log, "utf8")).toContain("the cameras are watched");
  });

  it("says what to do where the fleet file has no camera for it", async () => {
    const file = join(folder, "none.yaml");
    writeFileSync(file, "runners: {}\n");
    const none = await runbeat(["runner", "--host", "--fleet", file], { NATS_URL: url });
    expect((await none.ended).code).not.toBe(0);
    expect(none.output().stderr).toContain("has no camera for the host: set camera_host: true");
  });
});
