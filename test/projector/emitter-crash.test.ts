import { randomBytes, randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Emitter } from "../../lib/projector/emitter.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import { spawnEmitter } from "./emitter-process.ts";
import {
  EmitterRig,
  beat,
  emptyServer,
  keptSnapshots,
  lastSeq,
  publish,
  quarantined,
  readAll,
  ruledSnapshots,
  settled,
} from "./emitter-rig.ts";

const EVERY_SEC = 0.05;

const server = await startNatsServer();

let nc: NatsConnection;
let jsm: JetStreamManager;
let rig: EmitterRig;

beforeEach(async () => {
  nc = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  jsm = await jetstreamManager(nc);
  await emptyServer(nc);
  // The server would hide duplicates that come soon; here it has to forget at once.
  for (const stream of ["RUNBEAT_SNAPSHOTS", "RUNBEAT_QUARANTINE"]) {
    await jsm.streams.update(stream, { duplicate_window: nanos(100) });
  }
  rig = new EmitterRig();
});

afterEach(async () => {
  await rig.stopAll();
  await nc.close();
});

/** Publishes beats, errors and rubbish until it is told to stop; gives how many. */
function publishOn(): () => Promise<number> {
  let isOver = false;
  let count = 0;
  const publishing = (async () => {
    while (!isOver) {
      for (let n = 0; n < 20; n++) {
        const runner = `camera.c${randomInt(30)}.hd`;
        const kind = randomInt(10);
        if (kind === 0) nc.publish(`runbeat.hb.${runner}`, randomBytes(randomInt(40)));
        else if (kind === 1) nc.publish(`runbeat.ev.${runner}.process_spawned`, "{}");
        else if (kind === 2) nc.publish(`runbeat.hb.${runner}`, '{"pid":1,"last_error":"x"}');
        else nc.publish(`runbeat.hb.${runner}`, '{"pid":1}');
        count += 1;
      }
      await delay(20);
    }
    await nc.flush();
  })();
  return async () => {
    isOver = true;
    await publishing;
    return count;
  };
}

/** What the streams' messages should have put into quarantine, as `stream seq`. */
async function ruledRejects(): Promise<string[]> {
  const beats = await readAll(nc, "RUNBEAT_HEARTBEATS");
  const events = await readAll(nc, "RUNBEAT_EVENTS");
  const isBad = (data: Uint8Array): boolean => !Buffer.from(data).toString().startsWith('{"pid":1');
  return [
    ...events.map(({ seq }) => `RUNBEAT_EVENTS ${seq}`),
    ...beats.filter(({ data }) => isBad(data)).map(({ seq }) => `RUNBEAT_HEARTBEATS ${seq}`),
  ].toSorted();
}

async function foundRejects(): Promise<string[]> {
  const found = await quarantined(nc);
  return found.map((one) => `${one.sourceStream} ${one.sourceSeq}`).toSorted();
}

async function expectExactlyOnce(): Promise<void> {
  const kept = await keptSnapshots(nc);
  expect(kept).toEqual(await ruledSnapshots(nc, EVERY_SEC));
  expect(kept.length).toBeGreaterThan(20);
  const rejects = await foundRejects();
  expect(rejects).toEqual(await ruledRejects());
  expect(rejects.length).toBeGreaterThan(10);
}

describe("exactly once", () => {
  test("emitters that are killed at random moments leave what one that lives leaves", async () => {
    const stopPublishing = publishOn();
    for (let round = 0; round < 4; round++) {
      const emitter = await spawnEmitter(server.url, EVERY_SEC, `round-${round}`);
      const before = await lastSeq(jsm, "RUNBEAT_SNAPSHOTS");
      await waitFor(async () => (await lastSeq(jsm, "RUNBEAT_SNAPSHOTS")) > before + 20);
      await delay(randomInt(150));
      await emitter.kill("SIGKILL");
    }
    await stopPublishing();
    await settled(nc, await rig.start(nc, EVERY_SEC));
    await expectExactlyOnce();
  }, 60_000);

  test("connections that are cut between publish and answer lose and double nothing", async () => {
    const stopPublishing = publishOn();
    for (let round = 0; round < 8; round++) {
      const own = await connect({ servers: server.url });
      const emitter = await rig.start(own, EVERY_SEC, `round-${round}`);
      await waitFor(() => emitter.describe().state === "judging");
      await delay(randomInt(100));
      await own.close();
    }
    await stopPublishing();
    await settled(nc, await rig.start(nc, EVERY_SEC));
    await expectExactlyOnce();
  }, 60_000);

  test("of two emitters one works; when it stops the other goes on at once", async () => {
    const stopPublishing = publishOn();
    const first = await rig.start(nc, EVERY_SEC, "first");
    await waitFor(() => first.describe().state === "judging");
    const other = await connect({ servers: server.url });
    const second = await rig.start(other, EVERY_SEC, "second");
    await waitFor(() => second.describe().holder === "first");
    expect(second.describe().state).toBe("standby");
    await waitFor(async () => (await lastSeq(jsm, "RUNBEAT_SNAPSHOTS")) > 100);
    await first.stop();
    await waitFor(() => second.describe().state === "judging", { timeoutMs: 1_000 });
    await stopPublishing();
    await settled(nc, second);
    await expectExactlyOnce();
    await second.stop();
    await other.close();
  });

  test("an emitter that was frozen past its lease publishes nothing when it thaws", async () => {
    // What its socket has not sent yet when it freezes goes out when it thaws; the server knows it.
    await jsm.streams.update("RUNBEAT_QUARANTINE", { duplicate_window: nanos(60_000) });
    const stopPublishing = publishOn();
    const frozen = await spawnEmitter(server.url, EVERY_SEC, "frozen");
    await waitFor(async () => (await lastSeq(jsm, "RUNBEAT_SNAPSHOTS")) > 50);
    frozen.child.kill("SIGSTOP");
    const emitter = await rig.start(nc, EVERY_SEC, "second");
    await waitFor(() => emitter.describe().state === "judging");
    await delay(500);
    frozen.child.kill("SIGCONT");
    await delay(500);
    await stopPublishing();
    await settled(nc, emitter);
    await frozen.kill("SIGKILL");
    await expectExactlyOnce();
  });
});

describe("bad input and bad luck", () => {
  test("1,000 random byte strings are all in quarantine once, and judging goes on", async () => {
    const emitter = await rig.start(nc, 60);
    const sent: string[] = [];
    for (let n = 0; n < 1_000; n++) {
      const bytes = randomBytes(randomInt(1, 400));
      sent.push(bytes.toString("base64"));
      nc.publish(`runbeat.hb.${["camera.a.b", "x", "camera.\u00e9.\u{1f4a9}"][n % 3]}`, bytes);
    }
    await nc.flush();
    const seq = await beat(nc, "camera/a/b");
    await settled(nc, emitter);
    const found = await quarantined(nc);
    expect(found.map((one) => Buffer.from(one.payload).toString("base64"))).toEqual(sent);
    expect(found[2]?.subject).toBe("runbeat.hb.camera.\u00e9.\u{1f4a9}");
    expect(await keptSnapshots(nc)).toEqual([`camera/a/b at ${seq}`]);
  });

  test("a flood of large bad messages holds up no snapshot, and all of it is kept", async () => {
    const emitter = await rig.start(nc, 3_600);
    await beat(nc, "camera/first/hd");
    const count = 4_000;
    const body = randomBytes(20_000);
    for (let n = 0; n < count; n++) {
      nc.publish("runbeat.hb.camera.a.b", body);
      if (n % 100 === 0) await nc.flush();
    }
    await beat(nc, "camera/last/hd");
    await settled(nc, emitter);
    expect(await keptSnapshots(nc)).toEqual([
      "camera/first/hd at 1",
      `camera/last/hd at ${count + 2}`,
    ]);
    expect((await foundRejects()).length).toBe(count);
    expect(new Set(await foundRejects()).size).toBe(count);
  }, 60_000);

  test("a bad message of the greatest size is kept as far as its explanation leaves room", async () => {
    const emitter = await rig.start(nc, 60);
    const body = randomBytes(1_048_576);
    await publish(nc, "runbeat.hb.camera.a.b", body);
    await settled(nc, emitter);
    const [found] = await quarantined(nc);
    expect(found).toMatchObject({ reason: "too_large", bytes: body.length });
    const { length } = found?.payload ?? [];
    expect(length).toBeGreaterThan(body.length - 4_096);
    expect(length).toBeLessThan(body.length);
    expect(Buffer.compare(found?.payload ?? Buffer.of(), body.subarray(0, length))).toBe(0);
  });

  test("a heartbeat stream that was deleted and made again is judged from its first message", async () => {
    const emitter: Emitter = await rig.start(nc, 60);
    await beat(nc, "camera/a/b");
    await publish(nc, "runbeat.hb.camera.a.b", "rubbish");
    await settled(nc, emitter);
    await rig.stopAll();
    const { config } = await jsm.streams.info("RUNBEAT_HEARTBEATS");
    await jsm.streams.delete("RUNBEAT_HEARTBEATS");
    await jsm.streams.add(config);
    await publish(nc, "runbeat.hb.camera.a.b", "rubbish");
    await beat(nc, "camera/a/b", { last_error: "x" });
    await settled(nc, await rig.start(nc, 60));
    expect(rig.logged.lines.join("")).toContain("was recreated on");
    expect(await keptSnapshots(nc)).toEqual(["camera/a/b at 1", "camera/a/b at 2"]);
    expect(await foundRejects()).toEqual(["RUNBEAT_HEARTBEATS 1", "RUNBEAT_HEARTBEATS 2"]);
  });

  test("heartbeats that were pruned unread are told of, and judging goes on after them", async () => {
    const emitter = await rig.start(nc, 60);
    await beat(nc, "camera/a/b");
    await settled(nc, emitter);
    await rig.stopAll();
    for (let n = 0; n < 5; n++) await beat(nc, "camera/c/d");
    await jsm.streams.purge("RUNBEAT_HEARTBEATS", { keep: 1 });
    await settled(nc, await rig.start(nc, 60));
    expect(rig.logged.lines.join("")).toContain(
      "messages 2 to 5 of stream RUNBEAT_HEARTBEATS were removed before they were judged",
    );
    expect(await keptSnapshots(nc)).toEqual(["camera/a/b at 1", "camera/c/d at 6"]);
  });
});
