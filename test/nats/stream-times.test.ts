import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readToEnd } from "../../lib/nats/read-to-end.ts";
import { sequenceAt } from "../../lib/nats/stream-times.ts";
import { startNatsServer } from "../support/nats-server.ts";

let nc: NatsConnection;
let js: JetStreamClient;
let jsm: JetStreamManager;

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  js = jetstream(nc);
  jsm = await jetstreamManager(nc);
});

afterAll(async () => {
  await nc.close();
});

async function makeStream(name: string, messages: number): Promise<void> {
  await jsm.streams.add({ name, subjects: [`${name}.>`], allow_direct: true });
  for (let index = 0; index < messages; index++) await js.publish(`${name}.a`, String(index));
}

/** Every message that a stream holds, read from its beginning. */
async function messagesOf(stream: string): Promise<{ seq: number; time: number }[]> {
  const found: { seq: number; time: number }[] = [];
  await readToEnd({
    nc,
    jsm,
    stream,
    start: { fromSeq: 1 },
    onMessage: ({ seq, timeMs }) => void found.push({ seq, time: timeMs }),
  });
  return found;
}

async function expectEveryMoment(stream: string): Promise<void> {
  const messages = await messagesOf(stream);
  const first = messages[0]?.time ?? 0;
  const last = messages.at(-1)?.time ?? 0;
  expect(last).toBeGreaterThan(first);
  for (let moment = first; moment <= last + 1; moment++) {
    const newest = messages.findLast(({ time }) => time <= moment);
    expect(await sequenceAt(jsm, stream, moment)).toMatchObject({ ...newest, firstTime: first });
  }
}

test("every moment between the first and the last message finds the newest one up to it", async () => {
  await makeStream("WHOLE", 400);
  await expectEveryMoment("WHOLE");
});

test("messages that were removed from the front, the middle and the end are passed over", async () => {
  await makeStream("HOLES", 300);
  await jsm.streams.purge("HOLES", { seq: 40 });
  for (let seq = 60; seq < 300; seq++) {
    if (seq % 7 > 3) await jsm.streams.deleteMessage("HOLES", seq, false);
  }
  await jsm.streams.deleteMessage("HOLES", 300, false);
  await expectEveryMoment("HOLES");
});

test("before the first message there is none, and the place says since when there are some", async () => {
  await makeStream("EARLY", 30);
  await jsm.streams.purge("EARLY", { seq: 11 });
  const [first] = await messagesOf("EARLY");
  const place = await sequenceAt(jsm, "EARLY", (first?.time ?? 0) - 1);
  expect(place).toMatchObject({ seq: 10, time: 0, firstSeq: 11, lastSeq: 30 });
  expect(place.firstTime).toBe(first?.time);
});

test("an empty stream has no message at any moment", async () => {
  await makeStream("EMPTY", 5);
  await jsm.streams.purge("EMPTY");
  const place = await sequenceAt(jsm, "EMPTY", Date.now());
  expect(place).toMatchObject({ seq: 5, time: 0, firstSeq: 6, lastSeq: 5, firstTime: undefined });
});

test("a stream that is not there is named in the refusal", async () => {
  await expect(sequenceAt(jsm, "NOWHERE", Date.now())).rejects.toThrow(/NOWHERE/);
});
