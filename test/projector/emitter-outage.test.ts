import { randomInt } from "node:crypto";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, test } from "vitest";
import { sample } from "../../lib/core/snapshot.ts";
import type { SampleState } from "../../lib/core/snapshot.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import {
  EmitterRig,
  beat,
  emptyServer,
  lastSeq,
  publish,
  readAll,
  settled,
} from "./emitter-rig.ts";
import type { Held } from "./emitter-rig.ts";

const EVERY_SEC = 0.05;

/** A heartbeat, or the snapshot of one that the stream has lost. */
interface Beat {
  readonly runner: string;
  readonly seq: number;
  readonly timeMs: number;
  readonly lastError: string;
  readonly isLost: boolean;
}

function nameOf(beat: { runner: string; seq: number; timeMs: number }): string {
  return `${beat.runner} at ${beat.seq}, ${beat.timeMs}`;
}

function bodyOf(held: Held): { last_error?: string; heartbeat_seq?: number; ts?: string } {
  return JSON.parse(Buffer.from(held.data).toString()) as ReturnType<typeof bodyOf>;
}

function beatOf(held: Held): Beat {
  return {
    runner: held.subject.split(".").slice(2).join("/"),
    seq: held.seq,
    timeMs: held.timeMs,
    lastError: bodyOf(held).last_error ?? "",
    isLost: false,
  };
}

function beatOfSnapshot(held: Held): Beat {
  const { heartbeat_seq: seq = 0, ts = "" } = bodyOf(held);
  return { ...beatOf(held), seq, timeMs: Date.parse(ts), isLost: true };
}

/** What the rule keeps, snapshots of lost heartbeats counted as what they are: kept once. */
function ruled(beats: readonly Beat[]): string[] {
  const states = new Map<string, SampleState>();
  const kept: string[] = [];
  for (const beat of beats.toSorted((a, b) => a.timeMs - b.timeMs || a.seq - b.seq)) {
    const state = states.get(beat.runner);
    const isKept = beat.isLost || sample(state, beat, beat.timeMs, EVERY_SEC) !== undefined;
    if (!isKept) continue;
    states.set(beat.runner, { keptAt: beat.timeMs });
    kept.push(nameOf(beat));
  }
  return kept;
}

describe("when the server crashes", () => {
  test("nothing is kept twice, and what the heartbeat stream still holds is judged whole", async () => {
    const server = await startNatsServer();
    const nc = await connect({
      servers: server.url,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
    });
    await emptyServer(nc);
    const jsm = await jetstreamManager(nc, { timeout: 500 });
    const rig = new EmitterRig();
    const emitter = await rig.start(nc, EVERY_SEC);
    let isOver = false;
    const publishing = (async () => {
      while (!isOver) {
        for (let n = 0; n < 20; n++) {
          const body = randomInt(10) === 0 ? '{"pid":1,"last_error":"x"}' : '{"pid":1}';
          const text = randomInt(10) === 0 ? "rubbish" : body;
          nc.publish(`runbeat.hb.camera.c${randomInt(30)}.hd`, text);
        }
        await delay(10);
      }
    })();
    for (let round = 0; round < 3; round++) {
      const before = await waitFor(async () => (await lastSeq(jsm, "RUNBEAT_SNAPSHOTS")) + 1, {
        timeoutMs: 20_000,
      });
      await waitFor(async () => (await lastSeq(jsm, "RUNBEAT_SNAPSHOTS")) > before + 50);
      await delay(randomInt(300));
      await server.kill9();
      await server.restart();
    }
    isOver = true;
    await publishing;
    // Stored after all that was published before it.
    await waitFor(async () => await beat(nc, "camera/last/hd"));
    await settled(nc, emitter);
    await rig.stopAll();

    const held = await readAll(nc, "RUNBEAT_HEARTBEATS");
    const beats = held.filter((message) => !isBad(message)).map(beatOf);
    const there = new Set(beats.map(nameOf));
    const snapshots = (await readAll(nc, "RUNBEAT_SNAPSHOTS")).map(beatOfSnapshot);
    const lost = snapshots.filter((snapshot) => !there.has(nameOf(snapshot)));
    expect(snapshots.map(nameOf).toSorted()).toEqual(ruled([...beats, ...lost]).toSorted());
    expect(snapshots.length).toBeGreaterThan(150);

    const rejected = (await readAll(nc, "RUNBEAT_QUARANTINE")).map(
      ({ headers }) =>
        `${headers?.get("Runbeat-Source-Seq")}, ${headers?.get("Runbeat-Source-Time")}`,
    );
    expect(new Set(rejected).size).toBe(rejected.length);
    const bad = held.filter(isBad);
    expect(bad.length).toBeGreaterThan(50);
    for (const { seq, timeMs } of bad) {
      expect(rejected).toContain(`${seq}, ${new Date(timeMs).toISOString()}`);
    }
    await nc.close();
  }, 60_000);

  test("snapshots and rejects that the server has lost are judged again, each once", async () => {
    const lab = await startLab();
    await lab.judge(async () => {
      for (let n = 0; n < 20; n++) await lab.publishSome();
    });
    await lab.backUp(["RUNBEAT_SNAPSHOTS", "RUNBEAT_QUARANTINE"]);
    await lab.judge(async () => {
      for (let n = 0; n < 20; n++) await lab.publishSome();
    });
    const before = await lab.found();
    await lab.bringBack();
    const lost = await lab.found();
    expect(lost.kept.length).toBeLessThan(before.kept.length);
    expect(lost.rejected.length).toBeLessThan(before.rejected.length);
    await lab.judge(async () => undefined);
    expect(await lab.found()).toEqual(before);
    expect(lab.logged()).toContain("the end of stream RUNBEAT_SNAPSHOTS was lost");
    await lab.close();
  }, 60_000);

  test("the loss of what an emitter has found there already, and passed over, is noticed too", async () => {
    const lab = await startLab();
    const outputs = ["RUNBEAT_SNAPSHOTS", "RUNBEAT_QUARANTINE"];
    await lab.judge(async () => await lab.publishSome());
    await lab.backUp([...outputs, "KV_RUNBEAT_STATE"]);
    await lab.judge(async () => {
      for (let n = 0; n < 20; n++) await lab.publishSome();
    });
    const before = await lab.found();
    // As if that emitter had been killed before it wrote its position down.
    await lab.bringBack(["KV_RUNBEAT_STATE"]);
    await lab.judge(async () => undefined);
    expect(await lab.found()).toEqual(before);
    await lab.bringBack(outputs);
    expect((await lab.found()).kept.length).toBeLessThan(before.kept.length);
    await lab.judge(async () => undefined);
    expect(await lab.found()).toEqual(before);
    await lab.close();
  }, 60_000);

  test("other heartbeats under the sequences of lost ones are judged for what they are", async () => {
    const lab = await startLab();
    await lab.judge(async () => {
      for (let n = 0; n < 20; n++) await lab.publishSome();
    });
    await lab.backUp(["RUNBEAT_HEARTBEATS"]);
    await lab.judge(async () => {
      for (let n = 0; n < 10; n++) await lab.publishSome();
    });
    await lab.bringBack();
    await lab.judge(async () => {
      for (let n = 0; n < 20; n++) await lab.publishSome();
    });
    const { kept, rejected } = await lab.found();
    const held = await readAll(lab.nc, "RUNBEAT_HEARTBEATS");
    const there = new Set(held.map(sourceOf));
    expect(kept).toEqual(expect.arrayContaining(held.filter(isError).map(sourceOf)));
    expect(rejected.filter((one) => there.has(one))).toEqual(
      held.filter(isBad).map(sourceOf).toSorted(),
    );
    expect(new Set(kept).size).toBe(kept.length);
    expect(kept.some((one) => !there.has(one))).toBe(true);
    expect(lab.logged()).toContain("the end of stream RUNBEAT_HEARTBEATS was lost");
    await lab.close();
  }, 60_000);
});

function sourceOf({ seq, timeMs }: { seq: number; timeMs: number }): string {
  return `${seq}, ${timeMs}`;
}

function isBad({ data }: Held): boolean {
  return Buffer.from(data).toString() === "rubbish";
}

function isError(held: Held): boolean {
  return !isBad(held) && bodyOf(held).last_error !== undefined;
}

/** A server whose streams can be set back to what they were, as after a power failure. */
async function startLab() {
  const server = await startNatsServer();
  const servers = server.url;
  const nc = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  await emptyServer(nc);
  const rig = new EmitterRig();
  const streams = join(server.storeDir, "jetstream", "$G", "streams");
  const copies = makeTempDir("copies");
  const restart = async (whileDown: () => void): Promise<void> => {
    await server.stop();
    whileDown();
    await server.restart();
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: 500 });
    await waitFor(async () => (await lastSeq(jsm, "RUNBEAT_EVENTS")) >= 0);
  };
  const sources = async (stream: string): Promise<string[]> =>
    (await readAll(nc, stream))
      .map(({ headers }) => ({
        seq: Number(headers?.get("Runbeat-Source-Seq")),
        timeMs: Date.parse(headers?.get("Runbeat-Source-Time") ?? ""),
      }))
      .map(sourceOf)
      .toSorted();
  return {
    nc,
    logged: () => rig.logged.lines.join(""),
    publishSome: async () => {
      await beat(nc, `camera/c${randomInt(5)}/hd`);
      await beat(nc, `camera/c${randomInt(5)}/hd`, { last_error: "x" });
      await publish(nc, "runbeat.hb.camera.a.b", "rubbish");
    },
    judge: async (during: () => Promise<unknown>) => {
      const emitter = await rig.start(nc, EVERY_SEC);
      await during();
      await settled(nc, emitter);
      await rig.stopAll();
    },
    backUp: async (names: readonly string[]) => {
      await restart(() => {
        for (const name of names) {
          cpSync(join(streams, name), join(copies, name), { recursive: true });
        }
      });
    },
    bringBack: async (names: readonly string[] = readdirSync(copies)) => {
      await restart(() => {
        for (const name of names) {
          rmSync(join(streams, name), { recursive: true });
          cpSync(join(copies, name), join(streams, name), { recursive: true });
        }
      });
    },
    /** What was kept and rejected, as `seq, time` of the source. */
    found: async () => ({
      kept: await sources("RUNBEAT_SNAPSHOTS"),
      rejected: await sources("RUNBEAT_QUARANTINE"),
    }),
    close: async () => {
      await rig.stopAll();
      await nc.close();
    },
  };
}
