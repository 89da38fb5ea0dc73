import { jetstream } from "@nats-io/jetstream";
import type { JetStreamClient } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { purgeOlderThan } from "../../lib/nats/purge.ts";
import { describeStreams } from "../../lib/nats/stream-report.ts";
import { reconcileStreams } from "../../lib/nats/streams.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { STREAM_OPTIONS } from "../support/stream-options.ts";
import { waitFor } from "../support/wait-for.ts";

const STREAM = "RUNBEAT_HEARTBEATS";
let nc: NatsConnection;
let js: JetStreamClient;

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  js = jetstream(nc);
  await reconcileStreams(nc, STREAM_OPTIONS);
});

beforeEach(async () => {
  await purgeOlderThan(nc, STREAM, "all");
});

afterAll(async () => {
  await nc.close();
});

async function beat(count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await js.publish("runbeat.hb.camera.a.b", JSON.stringify({ pid: 1, seq: index }));
  }
}

async function heartbeats() {
  const streams = await describeStreams(nc, STREAM_OPTIONS.prefixes);
  const found = streams.find(({ key }) => key === "heartbeats");
  if (found === undefined) throw new Error("the heartbeats stream is missing");
  return found;
}

/** The instant in the middle of a pause that no message falls into. */
async function pause(): Promise<number> {
  const { lastTime } = await heartbeats();
  const from = (lastTime ?? 0) + 10;
  await waitFor(async () => (await heartbeats()).serverTime > from + 10, { what: "the pause" });
  return from;
}

test("what is older than the instant goes, the rest stays", async () => {
  await beat(7);
  const cutoff = await pause();
  await beat(3);
  const before = await heartbeats();
  const dry = await purgeOlderThan(nc, STREAM, { olderThanMs: cutoff }, { dryRun: true });
  expect(dry).toMatchObject({ messages: 7, messagesKept: 3, dryRun: true });
  expect(dry.bytes).toBeCloseTo((before.bytes * 7) / 10, -1);
  expect((await heartbeats()).messages).toBe(10);
  const real = await purgeOlderThan(nc, STREAM, { olderThanMs: cutoff });
  const after = await heartbeats();
  expect(real).toMatchObject({ messages: 7, messagesKept: 3, fromSeq: before.firstSeq + 7 });
  expect(real.bytes).toBe(before.bytes - after.bytes);
  expect(after).toMatchObject({ messages: 3, firstSeq: before.firstSeq + 7 });
  expect(after.consumers).toEqual([]);
});

test("keeping the last so long counts from the server's clock", async () => {
  await beat(4);
  const instant = await pause();
  await beat(2);
  const { serverTime } = await heartbeats();
  const report = await purgeOlderThan(nc, STREAM, { keepLastMs: serverTime - instant });
  expect(report.messagesKept).toBeLessThanOrEqual(2);
  expect(report.messages).toBeGreaterThanOrEqual(4);
});

test("an instant before the first message keeps all, one after the last keeps nothing", async () => {
  await beat(3);
  const none = await purgeOlderThan(nc, STREAM, { olderThanMs: 0 });
  expect(none).toMatchObject({ messages: 0, bytes: 0, messagesKept: 3 });
  const all = await purgeOlderThan(nc, STREAM, { olderThanMs: Date.now() + 3_600_000 });
  expect(all).toMatchObject({ messages: 3, messagesKept: 0 });
});

test("an empty stream has nothing to purge", async () => {
  const report = await purgeOlderThan(nc, STREAM, { keepLastMs: 1_000 });
  expect(report).toMatchObject({ messages: 0, bytes: 0, messagesKept: 0 });
});

test("purging all keeps the sequence going", async () => {
  await beat(2);
  const { lastSeq } = await heartbeats();
  const report = await purgeOlderThan(nc, STREAM, "all");
  expect(report).toMatchObject({ messages: 2, cutoff: null, fromSeq: lastSeq + 1 });
  await beat(1);
  expect(await heartbeats()).toMatchObject({ firstSeq: lastSeq + 1, messages: 1 });
});

test("a stream that does not exist is named", async () => {
  const missing = purgeOlderThan(nc, "NOPE_HEARTBEATS", "all");
  await expect(missing).rejects.toMatchObject({ code: "not_found" });
  await expect(missing).rejects.toThrow("no stream NOPE_HEARTBEATS");
});

test("a description has times, limits, durability and the lag of every consumer", async () => {
  await beat(5);
  const info = await heartbeats();
  expect(info).toMatchObject({ messages: 5, durable: false, storage: "file", compression: "s2" });
  expect(info.limits).toEqual({ maxAgeMs: 86_400_000, maxBytes: 8 * 2 ** 30, maxMessages: null });
  expect(Math.abs((info.lastTime ?? 0) - Date.now())).toBeLessThan(10_000);
  const jsm = await js.jetstreamManager();
  await jsm.consumers.add(STREAM, { durable_name: "reader", ack_policy: "explicit" });
  const consumer = await js.consumers.get(STREAM, "reader");
  await (await consumer.next())?.ackAck();
  await consumer.next();
  const [lag] = (await heartbeats()).consumers;
  expect(lag).toMatchObject({ name: "reader", durable: true, pending: 3, ackPending: 1 });
  await jsm.consumers.delete(STREAM, "reader");
});

test("a description of streams that do not exist is empty", async () => {
  expect(await describeStreams(nc, { subject: "other", stream: "OTHER" })).toEqual([]);
});
