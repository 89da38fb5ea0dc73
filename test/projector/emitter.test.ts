import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import {
  EmitterRig,
  beat,
  emptyServer,
  keptSnapshots,
  publish,
  quarantined,
  readAll,
  ruledSnapshots,
  settled,
} from "./emitter-rig.ts";

const server = await startNatsServer();

let nc: NatsConnection;
let jsm: JetStreamManager;
let rig: EmitterRig;

beforeEach(async () => {
  nc = await connect({ servers: server.url });
  jsm = await jetstreamManager(nc);
  await emptyServer(nc);
  rig = new EmitterRig();
});

afterEach(async () => {
  await rig.stopAll();
  await nc.close();
});

describe("snapshots", () => {
  test("the first heartbeat of a runner is kept, and every error", async () => {
    const emitter = await rig.start(nc, 60);
    await beat(nc, "camera/front/hd");
    await beat(nc, "camera/front/hd");
    await beat(nc, "camera/front/hd", { last_error: "lens cap" });
    await beat(nc, "camera/front/hd", { last_error: "lens cap" });
    await beat(nc, "camera/front/hd");
    await beat(nc, "worker/w1/default");
    await settled(nc, emitter);
    expect(await keptSnapshots(nc)).toEqual([
      "camera/front/hd at 1",
      "camera/front/hd at 3",
      "camera/front/hd at 4",
      "worker/w1/default at 6",
    ]);
  });

  test("one heartbeat a window is kept, by the time at which the stream stored it", async () => {
    const emitter = await rig.start(nc, 0.1);
    const startedAt = performance.now();
    await waitFor(async () => {
      await beat(nc, "camera/front/hd");
      return performance.now() - startedAt > 1_000;
    });
    await settled(nc, emitter);
    const kept = await keptSnapshots(nc);
    expect(kept).toEqual(await ruledSnapshots(nc, 0.1));
    expect(kept.length).toBeGreaterThan(5);
    expect(kept.length).toBeLessThan(12);
  });

  test("a snapshot holds the heartbeat's figures, its stream time and where it came from", async () => {
    const emitter = await rig.start(nc, 60);
    await beat(nc, "camera/front/hd", { fps: 24.5, health: "degraded", host: "edge-1", seq: 7 });
    await settled(nc, emitter);
    const [heartbeat] = await readAll(nc, "RUNBEAT_HEARTBEATS");
    const [snapshot] = await readAll(nc, "RUNBEAT_SNAPSHOTS");
    expect(snapshot?.subject).toBe("runbeat.snap.camera.front.hd");
    expect(JSON.parse(Buffer.from(snapshot?.data ?? []).toString())).toMatchObject({
      ts: new Date(heartbeat?.timeMs ?? 0).toISOString(),
      heartbeat_seq: 1,
      fps: 24.5,
      health: "degraded",
      host: "edge-1",
      seq: 7,
    });
    const { created } = await jsm.streams.info("RUNBEAT_HEARTBEATS");
    expect(snapshot?.headers?.get("Runbeat-Source-Created")).toBe(created);
  });

  test("a window of 0 keeps nothing, not even errors, and what went by then is not caught up on", async () => {
    const silent = await rig.start(nc, 0);
    await beat(nc, "camera/front/hd");
    await beat(nc, "camera/front/hd", { last_error: "lens cap" });
    await settled(nc, silent);
    await rig.stopAll();
    expect(await keptSnapshots(nc)).toEqual([]);
    const emitter = await rig.start(nc, 60);
    await beat(nc, "camera/front/hd");
    await settled(nc, emitter);
    expect(await keptSnapshots(nc)).toEqual(["camera/front/hd at 3"]);
  });

  test("after a prune the next heartbeat is kept, however soon it comes", async () => {
    const emitter = await rig.start(nc, 3_600);
    for (let round = 0; round < 20; round++) {
      const seq = await beat(nc, "camera/front/hd");
      await settled(nc, emitter);
      // The server tells of the purge a moment later than the heartbeat comes.
      await waitFor(async () => (await keptSnapshots(nc)).length === 1, { what: "a snapshot" });
      expect(await keptSnapshots(nc)).toEqual([`camera/front/hd at ${seq}`]);
      await beat(nc, "camera/front/hd");
      await settled(nc, emitter);
      await jsm.streams.purge("RUNBEAT_SNAPSHOTS");
    }
  });

  test("after a prune while no emitter ran the next heartbeat is kept", async () => {
    await settled(nc, await afterBeats(["camera/front/hd", "camera/back/hd"]));
    await rig.stopAll();
    await jsm.streams.purge("RUNBEAT_SNAPSHOTS", { keep: 1 });
    const emitter = await rig.start(nc, 3_600);
    await beat(nc, "camera/front/hd");
    await beat(nc, "camera/back/hd");
    await settled(nc, emitter);
    expect(await keptSnapshots(nc)).toEqual(["camera/back/hd at 2", "camera/front/hd at 3"]);
  });

  test("a snapshots stream that was deleted and made again counts as pruned", async () => {
    const emitter = await afterBeats(["camera/front/hd"]);
    await settled(nc, emitter);
    const { config } = await jsm.streams.info("RUNBEAT_SNAPSHOTS");
    await jsm.streams.delete("RUNBEAT_SNAPSHOTS");
    await jsm.streams.add(config);
    await waitFor(() => rig.logged.lines.some((line) => line.includes("was recreated on")));
    await waitFor(() => emitter.describe().state === "judging");
    await beat(nc, "camera/front/hd");
    await settled(nc, emitter);
    expect(await keptSnapshots(nc)).toEqual(["camera/front/hd at 2"]);
  });

  test("a burst of errors of many runners is kept whole, each runner's in order", async () => {
    const count = 6_000;
    for (let n = 0; n < count; n++) {
      nc.publish(`runbeat.hb.camera.c${n % 40}.hd`, JSON.stringify({ pid: 1, last_error: "x" }));
    }
    await nc.flush();
    await settled(nc, await rig.start(nc, 60));
    const kept = await keptSnapshots(nc);
    expect(kept).toHaveLength(count);
    expect(kept).toEqual(await ruledSnapshots(nc, 60));
  });

  async function afterBeats(runners: readonly string[]) {
    const emitter = await rig.start(nc, 3_600);
    for (const runner of runners) await beat(nc, runner);
    return emitter;
  }
});

describe("quarantine", () => {
  test("each kind of bad message gets its reason, whole, with where it came from", async () => {
    const emitter = await rig.start(nc, 60);
    await publish(nc, "runbeat.hb.camera.a.b", "{oops");
    await publish(nc, "runbeat.hb.camera.a.b", Uint8Array.of(0x7b, 0xff, 0x7d));
    await publish(nc, "runbeat.hb.camera.a.b", { pid: -1 });
    await publish(nc, "runbeat.hb.tractor.a.b", { pid: 1 });
    await publish(nc, "runbeat.hb.camera.a.b", { pid: 1, runner: "camera/c/d" });
    await publish(nc, "runbeat.hb.camera.a.b", { pid: 1, detail: { x: "y".repeat(17_000) } });
    await publish(nc, "runbeat.ev.camera.a.b.process_spawned", { at: 0 });
    await publish(nc, "runbeat.ev.nonsense", {});
    await settled(nc, emitter);
    const found = await quarantined(nc);
    const told = found
      .map((one) => `${one.sourceStream} ${one.sourceSeq} ${one.reason}`)
      .toSorted();
    expect(told).toEqual([
      "RUNBEAT_EVENTS 1 bad_schema",
      "RUNBEAT_EVENTS 2 bad_subject",
      "RUNBEAT_HEARTBEATS 1 bad_json",
      "RUNBEAT_HEARTBEATS 2 bad_utf8",
      "RUNBEAT_HEARTBEATS 3 bad_schema",
      "RUNBEAT_HEARTBEATS 4 bad_subject",
      "RUNBEAT_HEARTBEATS 5 identity_mismatch",
      "RUNBEAT_HEARTBEATS 6 too_large",
    ]);
    const source = (await readAll(nc, "RUNBEAT_HEARTBEATS")).find(({ seq }) => seq === 2);
    const rejected = found.find((one) => one.reason === "bad_utf8");
    expect(Buffer.from(rejected?.payload ?? [])).toEqual(Buffer.from(source?.data ?? []));
    expect(rejected?.subject).toBe("runbeat.hb.camera.a.b");
    expect(rejected?.sourceTime).toBe(new Date(source?.timeMs ?? 0).toISOString());
    expect(rejected?.message).toContain("UTF-8");
  });
});
