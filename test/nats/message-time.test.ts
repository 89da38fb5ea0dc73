import { jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { afterAll, describe, expect, test } from "vitest";
import { IMPORT_KEYS, IMPORTED_TIME_HEADER } from "../../lib/core/imported-stream.ts";
import { timeOfSeq } from "../../lib/nats/message-time.ts";
import { openReader } from "../../lib/nats/ordered-reader.ts";
import { readToEnd } from "../../lib/nats/read-to-end.ts";
import { sequenceAt } from "../../lib/nats/stream-times.ts";
import { startNatsServer } from "../support/nats-server.ts";

const server = await startNatsServer();
const nc = await connect({ servers: server.url });
const jsm = await jetstreamManager(nc);
const LONG_AGO = Date.UTC(2025, 2, 3, 3, 12);

afterAll(async () => {
  await nc.close();
});

/** Three messages that claim to be from long ago; the header is not always the first one. */
async function makeStream(name: string, metadata: Record<string, string>): Promise<void> {
  await jsm.streams.add({
    name,
    subjects: [`${name}.>`],
    storage: StorageType.Memory,
    allow_direct: true,
    first_seq: 501,
    metadata,
  });
  for (let n = 0; n < 3; n++) {
    const head = headers();
    if (n === 1) head.set("Another", "before");
    head.set(IMPORTED_TIME_HEADER, String(LONG_AGO + n * 1000));
    head.set("Another", "one");
    nc.publish(`${name}.x`, "x", { headers: head });
  }
  await nc.flush();
}

/** The times of all messages as each way of reading tells them. */
async function timesOf(stream: string): Promise<number[][]> {
  const pushed: number[] = [];
  const reader = await openReader({
    nc,
    jsm,
    stream,
    start: { fromSeq: 1 },
    onMessage: ({ timeMs, pending }) => {
      pushed.push(timeMs);
      return pending > 0;
    },
  });
  await reader.ended;
  await reader.close();
  const pulled: number[] = [];
  const onMessage = ({ timeMs }: { timeMs: number }): void => void pulled.push(timeMs);
  await readToEnd({ nc, jsm, stream, start: { fromSeq: 1 }, onMessage });
  const info = await jsm.streams.info(stream);
  const got = await Promise.all([501, 502, 503].map((seq) => timeOfSeq(jsm, info, seq)));
  return [pushed, pulled, got.map((time) => time ?? 0)];
}

describe("the time of a message", () => {
  test("is that of its origin in an imported stream, however it is read", async () => {
    await makeStream("IMPORTED", { [IMPORT_KEYS.id]: "abc" });
    const times = [LONG_AGO, LONG_AGO + 1000, LONG_AGO + 2000];
    expect(await timesOf("IMPORTED")).toEqual([times, times, times]);
    const place = await sequenceAt(jsm, "IMPORTED", LONG_AGO + 1500);
    expect(place).toMatchObject({ seq: 502, time: LONG_AGO + 1000, firstTime: LONG_AGO });
  });

  test("is the server's in any other stream, whatever a message claims", async () => {
    const from = Date.now() - 1000;
    await makeStream("OWN", {});
    for (const time of (await timesOf("OWN")).flat()) expect(time).toBeGreaterThan(from);
  });
});
