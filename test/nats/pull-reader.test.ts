import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { StorageType, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openPullReader } from "../../lib/nats/pull-reader.ts";
import type { PulledMessage, PullReaderOptions } from "../../lib/nats/pull-reader.ts";
import { readToEnd } from "../../lib/nats/read-to-end.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();
const nc: NatsConnection = await connect({ servers: server.url });
const jsm: JetStreamManager = await jetstreamManager(nc);

beforeEach(async () => {
  await jsm.streams.delete("S").catch(() => undefined);
  await jsm.streams.add({ name: "S", subjects: ["s.>"], storage: StorageType.Memory });
});

afterAll(async () => {
  await nc.close();
});

async function publish(count: number, data: Uint8Array | string = "x"): Promise<void> {
  const { last_seq: before } = (await jsm.streams.info("S")).state;
  for (let n = 0; n < count; n++) nc.publish(`s.${n % 7}`, data);
  await waitFor(async () => (await jsm.streams.info("S")).state.last_seq === before + count);
}

async function open(options: Partial<PullReaderOptions> = {}) {
  const messages: PulledMessage[] = [];
  const reader = await openPullReader({
    nc,
    jsm,
    stream: "S",
    start: { fromSeq: 1 },
    room: () => Number.POSITIVE_INFINITY,
    onMessage: (message) => messages.push(message),
    ...options,
  });
  return { reader, messages };
}

describe("the pull reader", () => {
  test("reads a backlog in order, then what comes", async () => {
    await publish(9_000);
    const { reader, messages } = await open({ start: { fromSeq: 501 } });
    await waitFor(() => messages.length === 8_500);
    await publish(1);
    await waitFor(() => messages.length === 8_501);
    expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 501));
    expect(messages.at(-1)).toMatchObject({ subject: "s.0", pending: 0 });
    await reader.close();
    expect(await reader.ended).toBe("it was closed");
    expect(await jsm.consumers.list("S").next()).toEqual([]);
  });

  test("never gets more than there is room for, and goes on when there is more", async () => {
    await publish(5_000);
    let taken = 0;
    let room = 1_500;
    const { reader } = await open({
      room: () => room - taken,
      onMessage: () => {
        taken += 1;
      },
    });
    await waitFor(() => taken === 1_500);
    await delay(100);
    expect(taken).toBe(1_500);
    room = 3_000;
    reader.topUp();
    await waitFor(() => taken === 3_000);
    room = 10_000;
    reader.topUp();
    await waitFor(() => taken === 5_000);
    await reader.close();
  });

  test("reads messages that are too many bytes for one request", async () => {
    await publish(40, randomBytes(900_000));
    const { reader, messages } = await open();
    await waitFor(() => messages.length === 40);
    await publish(3);
    await waitFor(() => messages.length === 43);
    await reader.close();
  });

  test("ends, and says why, when its stream is deleted", async () => {
    const { reader } = await open();
    // A request that comes after the stream's end is answered by nobody.
    await waitFor(async () => {
      const [consumer] = await jsm.consumers.list("S").next();
      return (consumer?.num_waiting ?? 0) > 0;
    });
    await jsm.streams.delete("S");
    expect(await reader.ended).toMatch(/deleted|gone/i);
  });

  test("can't be opened where there is no stream", async () => {
    await expect(open({ stream: "NONE" })).rejects.toMatchObject({ code: "unavailable" });
  });

  test("looks up headers without decoding them all", async () => {
    const header = headers();
    header.set("First", "1");
    header.append("Twice", "a");
    header.append("Twice", "b");
    header.set("Empty", "");
    nc.publish("s.h", "body", { headers: header });
    nc.publish("s.h", "none");
    const { reader, messages } = await open();
    await waitFor(() => messages.length === 2);
    const lookup = messages[0]?.headerLookup;
    const names = ["First", "Twice", "Empty", "Absent", "irst"];
    expect(names.map((name) => lookup?.get(name))).toEqual(["1", "a", "", "", ""]);
    expect(messages[0]?.headers?.values("Twice")).toEqual(["a", "b"]);
    expect(messages[1]?.headerLookup).toBeUndefined();
    await reader.close();
  });
});

describe("reading a stream to its end", () => {
  test("takes the newest message of each subject, or those of some subjects, without bodies", async () => {
    await publish(70);
    const newest: number[] = [];
    const options = { nc, jsm, stream: "S" };
    await readToEnd({
      ...options,
      start: { lastPerSubject: true },
      onMessage: ({ seq }) => newest.push(seq),
    });
    expect(newest).toEqual([64, 65, 66, 67, 68, 69, 70]);
    const some: string[] = [];
    await readToEnd({
      ...options,
      start: { fromSeq: 50 },
      filterSubjects: ["s.1", "s.2"],
      headersOnly: true,
      onMessage: ({ subject, seq, data }) => some.push(`${subject} ${seq} ${data.length}`),
    });
    expect(some).toEqual(["s.1 51 0", "s.2 52 0", "s.1 58 0", "s.2 59 0", "s.1 65 0", "s.2 66 0"]);
  });

  test("is done at once where there is nothing", async () => {
    const seen: number[] = [];
    const start = { fromSeq: 1 };
    await readToEnd({ nc, jsm, stream: "S", start, onMessage: ({ seq }) => seen.push(seq) });
    expect(seen).toEqual([]);
  });
});
