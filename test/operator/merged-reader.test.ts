import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EVERY_MESSAGE } from "../../lib/core/message-choice.ts";
import { DEFAULT_PREFIXES, STREAM_KEYS, streamName } from "../../lib/core/subject.ts";
import type { StreamKey } from "../../lib/core/subject.ts";
import { mergedReader } from "../../lib/operator/merged-reader.ts";
import type { MergedReaderOptions } from "../../lib/operator/merged-reader.ts";
import type { MergedMessage } from "../../lib/operator/stream-feed.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";

const KEYS: readonly StreamKey[] = ["heartbeats", "events", "alerts"];
let nc: NatsConnection;
let jsm: JetStreamManager;

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  jsm = await jetstreamManager(nc);
});

beforeEach(async () => {
  for (const key of STREAM_KEYS) {
    await jsm.streams.delete(streamName(DEFAULT_PREFIXES, key)).catch(() => undefined);
  }
  await makeStreams(nc);
});

afterAll(async () => {
  await nc.close();
});

const SUBJECTS = [
  "runbeat.hb.camera.a.hd",
  "runbeat.ev.camera.a.hd.process_exited",
  "runbeat.alert.critical.offline",
  "runbeat.hb.worker.gpu.default",
  "runbeat.ev.worker.gpu.default.process_spawned",
];

/** Publishes to all streams in turn, in small groups so that times differ. */
async function publishMixed(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    nc.publish(SUBJECTS[(n * 7) % SUBJECTS.length] ?? "", JSON.stringify({ n }));
    if (n % 37 === 0) await nc.flush();
  }
  await nc.flush();
  await waitFor(async () => (await stored()) === count);
}

async function stored(): Promise<number> {
  const infos = await Promise.all(
    KEYS.map(async (key) => await jsm.streams.info(streamName(DEFAULT_PREFIXES, key))),
  );
  return infos.reduce((sum, { state }) => sum + state.messages, 0);
}

function reading(options: Partial<MergedReaderOptions> = {}): MergedReaderOptions {
  return { nc, jsm, prefixes: DEFAULT_PREFIXES, streams: KEYS, ...options };
}

async function readAll(options: Partial<MergedReaderOptions> = {}): Promise<MergedMessage[]> {
  const messages: MergedMessage[] = [];
  for await (const message of mergedReader(reading(options))) messages.push(message);
  return messages;
}

function placeOf({ key, seq }: MergedMessage): string {
  return `${key}:${seq}`;
}

/** What the streams hold, asked for one by one and sorted: the slow way. */
async function readSlowly(): Promise<{ place: string; time: number }[]> {
  const all: { place: string; time: number; index: number; seq: number }[] = [];
  for (const [index, key] of KEYS.entries()) {
    const name = streamName(DEFAULT_PREFIXES, key);
    const { state } = await jsm.streams.info(name);
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await jsm.streams.getMessage(name, { seq });
      if (message === null) continue;
      const time = Math.floor(message.time.getTime());
      all.push({ place: `${key}:${seq}`, time, index, seq });
    }
  }
  return all.toSorted((a, b) => a.time - b.time || a.index - b.index || a.seq - b.seq);
}

describe("the merged reader", () => {
  test("hands over every message of all streams in the order of their times", async () => {
    await publishMixed(1_500);
    const expected = await readSlowly();
    const read = await readAll();
    expect(read.map(placeOf)).toEqual(expected.map(({ place }) => place));
    expect(read.map(({ time }) => time)).toEqual(expected.map(({ time }) => time));
    expect(read[0]).toMatchObject({ stream: expect.stringMatching(/^RUNBEAT_/), seq: 1 });
  });

  test("reads a range of times, its ends included, and a range of sequences", async () => {
    await publishMixed(600);
    const all = await readSlowly();
    const [from, to] = [all[150]?.time ?? 0, all[420]?.time ?? 0];
    const within = all.filter(({ time }) => time >= from && time <= to);
    expect((await readAll({ from, to })).map(placeOf)).toEqual(within.map(({ place }) => place));
    const some = await readAll({
      streams: ["heartbeats"],
      sequences: { heartbeats: { from: 11, to: 20 } },
    });
    expect(some.map(({ seq }) => seq)).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  });

  test("ends at what was stored when it began, though more comes all the time", async () => {
    await publishMixed(100);
    const messages: MergedMessage[] = [];
    for await (const message of mergedReader(reading())) {
      messages.push(message);
      nc.publish("runbeat.hb.camera.a.hd", "{}");
    }
    expect(messages).toHaveLength(100);
  });

  test("passes over what was purged, in the middle and at the end", async () => {
    await publishMixed(300);
    await jsm.streams.purge("RUNBEAT_HEARTBEATS", { filter: "runbeat.hb.worker.gpu.default" });
    const read = await readAll();
    expect(read.map(placeOf)).toEqual((await readSlowly()).map(({ place }) => place));
    expect(read.filter(({ runner }) => runner === "worker/gpu/default").length).toBeGreaterThan(0);
  });

  test("chooses by runner, kind and type, each alone and all together", async () => {
    await publishMixed(500);
    const all = await readAll();
    const camera = await readAll({ choice: { ...EVERY_MESSAGE, runners: ["camera/*/hd"] } });
    expect(camera.map(placeOf)).toEqual(
      all.filter(({ runner }) => runner === "camera/a/hd").map(placeOf),
    );
    const workers = await readAll({ choice: { ...EVERY_MESSAGE, kinds: ["worker"] } });
    expect(workers.map(placeOf)).toEqual(
      all.filter(({ runner }) => runner === "worker/gpu/default").map(placeOf),
    );
    const typed = await readAll({ choice: { ...EVERY_MESSAGE, types: ["process_*", "offline"] } });
    expect(typed.map(placeOf)).toEqual(
      all.filter(({ key }) => key === "events" || key === "alerts").map(placeOf),
    );
    const one = await readAll({
      choice: { runners: ["*/g*/*", "worker/*/*"], kinds: ["worker"], types: ["heartbeat"] },
    });
    expect(one.map(({ subject }) => subject)).toEqual(
      all.map(({ subject }) => subject).filter((s) => s === "runbeat.hb.worker.gpu.default"),
    );
    expect(await readAll({ choice: { ...EVERY_MESSAGE, runners: ["camera/none/hd"] } })).toEqual(
      [],
    );
  });

  test("follows what comes, in order, and says once that it has caught up", async () => {
    await publishMixed(50);
    const places: string[] = [];
    let caughtUp = 0;
    const stopping = new AbortController();
    const following = (async () => {
      for await (const message of mergedReader(
        reading({ follow: true, signal: stopping.signal, onCaughtUp: () => (caughtUp += 1) }),
      )) {
        places.push(placeOf(message));
      }
    })();
    await waitFor(() => caughtUp === 1 && places.length === 50);
    for (const subject of SUBJECTS) nc.publish(subject, "{}");
    await waitFor(() => places.length === 50 + SUBJECTS.length);
    expect(places).toEqual((await readSlowly()).map(({ place }) => place));
    stopping.abort();
    await following;
    expect(caughtUp).toBe(1);
    expect(await jsm.consumers.list("RUNBEAT_HEARTBEATS").next()).toEqual([]);
  });

  test("reads on where it was after the server was away", async () => {
    const server = await startNatsServer();
    const own = await connect({ servers: server.url, reconnectTimeWait: 50 });
    const ownJsm = await jetstreamManager(own);
    await makeStreams(own);
    for (let n = 0; n < 20_000; n++) own.publish("runbeat.hb.camera.a.hd", `{"n":${n}}`);
    const held = async () => (await ownJsm.streams.info("RUNBEAT_HEARTBEATS")).state.messages;
    await waitFor(async () => (await held()) === 20_000);
    const seqs: number[] = [];
    for await (const { seq } of mergedReader(reading({ nc: own, jsm: ownJsm }))) {
      if (seq === 100) await server.restart();
      seqs.push(seq);
    }
    expect(seqs).toHaveLength(20_000);
    expect(seqs.every((seq, index) => seq === index + 1)).toBe(true);
    await own.close();
  });

  test("reads no further ahead than it may while nobody takes what it has", async () => {
    for (let n = 0; n < 30_000; n++) nc.publish("runbeat.hb.camera.a.hd", `{"n":${n}}`);
    await waitFor(async () => (await stored()) === 30_000);
    const messages = mergedReader(reading());
    await messages.next();
    const delivered = async (): Promise<number> => {
      const [info] = await jsm.consumers.list("RUNBEAT_HEARTBEATS").next();
      return info?.delivered.stream_seq ?? 0;
    };
    await waitFor(async () => (await delivered()) >= 2_000);
    // An idle turn of the reader: whatever it would ask for beyond its bound has been asked for.
    const settled = await delivered();
    await waitFor(async () => (await delivered()) === (await delivered()));
    expect(Math.max(settled, await delivered())).toBeLessThanOrEqual(10_000);
    let rest = 1;
    for await (const _ of messages) rest += 1;
    expect(rest).toBe(30_000);
  });
});
