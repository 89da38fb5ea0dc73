import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect, headers, nanos } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { readQuarantine } from "../../lib/operator/quarantine-reading.ts";
import type { QuarantineFilter } from "../../lib/operator/quarantine-reading.ts";
import { QuarantineDesk } from "../../lib/operator/quarantine-resolving.ts";
import { quarantine as projection } from "../../projections/quarantine.ts";
import type { QuarantineRow } from "../../lib/store/tables.ts";
import { parseRejection, parseResolution } from "../../lib/core/quarantine.ts";
import {
  EmitterRig,
  emptyServer,
  lastSeq,
  publish,
  readAll,
  settled,
} from "../projector/emitter-rig.ts";
import { startNatsServer } from "../support/nats-server.ts";

const server = await startNatsServer();
const OPEN: QuarantineFilter = { reasons: [], states: ["open"] };

let nc: NatsConnection;
let jsm: JetStreamManager;
let rig: EmitterRig;
let context: { nc: NatsConnection; jsm: JetStreamManager; prefixes: typeof DEFAULT_PREFIXES };

beforeEach(async () => {
  nc = await connect({ servers: server.url });
  jsm = await jetstreamManager(nc);
  context = { nc, jsm, prefixes: DEFAULT_PREFIXES };
  await emptyServer(nc);
  rig = new EmitterRig();
});

afterEach(async () => {
  await rig.stopAll();
  await nc.close();
});

/** Publishes these and waits until the emitter has judged them. */
async function reject(...messages: readonly [subject: string, body: string][]): Promise<void> {
  const emitter = await rig.start(nc, 60);
  for (const [subject, body] of messages) await publish(nc, subject, body);
  await settled(nc, emitter);
  await rig.stopAll();
}

async function desk(): Promise<QuarantineDesk> {
  return await QuarantineDesk.open(context, "operator@test");
}

async function openSeqs(): Promise<number[]> {
  return (await readQuarantine(context, OPEN)).map(({ seq }) => seq);
}

/** The rows that the projector makes of the stream. */
async function foldedStates(): Promise<Record<number, string>> {
  const rows = new Map<string, QuarantineRow>();
  for (const message of await readAll(nc, "RUNBEAT_QUARANTINE")) {
    const isResolution = message.subject.endsWith(".resolved");
    const quarantined = isResolution ? parseResolution(message.data) : parseRejection(message);
    if (quarantined === undefined) continue;
    const stored = { seq: message.seq, time: message.timeMs, quarantined };
    const key = projection.key(stored) ?? "";
    const row = projection.evolve(rows.get(key), stored);
    if (row !== undefined) rows.set(key, row);
  }
  return Object.fromEntries([...rows.values()].map((row) => [row.stream_seq, row.state]));
}

describe("reading the quarantine", () => {
  test("lists what is open, by reason and by state", async () => {
    await reject(
      ["runbeat.hb.camera.a.b", "rubbish"],
      ["runbeat.hb.nobody", '{"pid":1}'],
      ["runbeat.hb.camera.a.b", '{"pid":0}'],
    );
    await (await desk()).discard(2);
    const entries = await readQuarantine(context, OPEN);
    expect(entries.map(({ seq, rejected }) => [seq, rejected.reason])).toEqual([
      [1, "bad_json"],
      [3, "bad_schema"],
    ]);
    const subjects = await readQuarantine(context, { reasons: ["bad_subject"], states: [] });
    expect(subjects).toMatchObject([
      { seq: 2, state: "discarded", rejected: { subject: "runbeat.hb.nobody", sourceSeq: 2 } },
    ]);
  });

  test("an empty one has nothing, and a message that is not there is not found", async () => {
    expect(await readQuarantine(context, { reasons: [], states: [] })).toEqual([]);
    await expect((await desk()).read(1)).rejects.toMatchObject({ code: "not_found" });
  });

  test("a record of what became of a message is no rejected message", async () => {
    await reject(["runbeat.hb.camera.a.b", "rubbish"]);
    await (await desk()).discard(1);
    await expect((await desk()).read(2)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("retrying", () => {
  test("a message that is as bad as before is refused with its reason, and nothing changes", async () => {
    await reject(["runbeat.hb.camera.a.b", '{"pid":0}']);
    const before = [
      await lastSeq(jsm, "RUNBEAT_HEARTBEATS"),
      await lastSeq(jsm, "RUNBEAT_QUARANTINE"),
    ];
    await expect((await desk()).retry(1)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/rejected again \(bad_schema\): pid is 0/) as string,
    });
    const after = [
      await lastSeq(jsm, "RUNBEAT_HEARTBEATS"),
      await lastSeq(jsm, "RUNBEAT_QUARANTINE"),
    ];
    expect(after).toEqual(before);
    expect(await openSeqs()).toEqual([1]);
  });

  test("a mended message goes to its own subject, once, and its row says so", async () => {
    await reject(["runbeat.hb.camera.a.b", "rubbish"]);
    const payload = Buffer.from('{"pid":7}');
    const putBack = await (await desk()).retry(1, { payload });
    expect(putBack).toEqual({
      stream: "RUNBEAT_HEARTBEATS",
      subject: "runbeat.hb.camera.a.b",
      seq: 2,
    });
    const heartbeats = await readAll(nc, "RUNBEAT_HEARTBEATS");
    expect(Buffer.from(heartbeats[1]?.data ?? []).toString()).toBe('{"pid":7}');
    expect(await openSeqs()).toEqual([]);
    expect(await foldedStates()).toEqual({ 1: "retried" });
    await expect((await desk()).retry(1, { payload })).rejects.toMatchObject({
      code: "conflict",
      message: "Message 1 was retried already, by operator@test",
    });
    expect(await lastSeq(jsm, "RUNBEAT_HEARTBEATS")).toBe(2);
  });

  test("a message on a wrong subject goes as it was to the right one", async () => {
    await reject(["runbeat.hb.camera.a", '{"pid":7}']);
    await expect((await desk()).retry(1)).rejects.toThrow(/bad_subject/);
    await expect((await desk()).retry(1, { subject: "elsewhere.a" })).rejects.toMatchObject({
      code: "invalid",
    });
    await (await desk()).retry(1, { subject: "runbeat.hb.camera.a.b" });
    const [, again] = await readAll(nc, "RUNBEAT_HEARTBEATS");
    expect(again?.subject).toBe("runbeat.hb.camera.a.b");
    expect(Buffer.from(again?.data ?? []).toString()).toBe('{"pid":7}');
  });

  test("an event keeps its own headers, but not the id under which it was refused", async () => {
    const header = headers();
    header.set("Nats-Msg-Id", "once");
    header.set("Trace", "42");
    const emitter = await rig.start(nc, 60);
    const subject = "runbeat.ev.camera.a.b.process_spawned";
    await jetstream(nc).publish(subject, "{}", { headers: header });
    await settled(nc, emitter);
    const payload = Buffer.from('{"host":"edge-1","pid":7,"started_at":0}');
    await (await desk()).retry(1, { payload });
    const [, again] = await readAll(nc, "RUNBEAT_EVENTS");
    expect(again?.headers?.get("Trace")).toBe("42");
    expect(again?.headers?.get("Nats-Msg-Id")).not.toBe("once");
    await settled(nc, emitter);
    expect(await foldedStates()).toEqual({ 1: "retried" });
  });

  test("of two operators at once one puts it back, and the other hears of it", async () => {
    await reject(["runbeat.hb.camera.a.b", "rubbish"]);
    const payload = Buffer.from('{"pid":7}');
    const desks = await Promise.all([desk(), desk(), desk()]);
    const outcomes = await Promise.allSettled(
      desks.map(async (one) => await one.retry(1, { payload })),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        expect(outcome.reason).toMatchObject({ code: "conflict" });
      }
    }
    expect(await lastSeq(jsm, "RUNBEAT_HEARTBEATS")).toBe(2);
    expect(await lastSeq(jsm, "RUNBEAT_QUARANTINE")).toBe(2);
  });

  test("operators who resolve different messages at once do not hinder each other", async () => {
    const count = 30;
    await reject(
      ...Array.from({ length: count }, (): [string, string] => ["runbeat.hb.camera.a.b", "x"]),
    );
    const [odd, even] = await Promise.all([desk(), desk()]);
    const all = async (one: QuarantineDesk, from: number): Promise<void> => {
      for (let seq = from; seq <= count; seq += 2) await one.discard(seq);
    };
    await Promise.all([all(odd, 1), all(even, 2)]);
    expect(await openSeqs()).toEqual([]);
    expect(Object.values(await foldedStates())).toEqual(Array(count).fill("discarded"));
  });

  test("of a message that was cut only a mended one can be put back", async () => {
    const emitter = await rig.start(nc, 60);
    await publish(nc, "runbeat.hb.camera.a.b", Buffer.alloc(1_048_576, "x"));
    await settled(nc, emitter);
    await expect((await desk()).retry(1)).rejects.toThrow(/only \d+ of 1048576 bytes were kept/);
    await (await desk()).retry(1, { payload: Buffer.from('{"pid":1}') });
    expect(await openSeqs()).toEqual([]);
  });

  test("what was put back is judged like any other, and kept as a snapshot", async () => {
    await reject(["runbeat.hb.camera.a.b", "rubbish"]);
    await jsm.streams.update("RUNBEAT_SNAPSHOTS", { duplicate_window: nanos(100) });
    await (await desk()).retry(1, { payload: Buffer.from('{"pid":7}') });
    await settled(nc, await rig.start(nc, 60));
    expect((await readAll(nc, "RUNBEAT_SNAPSHOTS")).map(({ subject }) => subject)).toEqual([
      "runbeat.snap.camera.a.b",
    ]);
  });
});
