import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { afterAll, describe, expect, it } from "vitest";
import { IMPORT_KEYS, IMPORTED_TIME_HEADER } from "../../lib/core/imported-stream.ts";
import { lastGap } from "../../lib/sentinel/stream-gap.ts";
import { startNatsServer } from "../support/nats-server.ts";

const server = await startNatsServer();
const nc = await connect({ servers: server.url });
const jsm = await jetstreamManager(nc);
const T = 1_700_000_000_000;
let made = 0;

afterAll(async () => await nc.close());

/** A stream whose messages came at these seconds; one that says that it was imported has such times. */
async function streamOf(
  seconds: readonly number[],
): Promise<{ jsm: JetStreamManager; stream: string }> {
  made += 1;
  const stream = `GAP_${made}`;
  const metadata = { [IMPORT_KEYS.id]: "test" };
  await jsm.streams.add({ name: stream, subjects: [`gap.${made}`], allow_direct: true, metadata });
  for (const second of seconds) {
    const header = headers();
    header.set(IMPORTED_TIME_HEADER, String(T + second * 1_000));
    await jetstream(nc).publish(`gap.${made}`, "", { headers: header });
  }
  return { jsm, stream };
}

function every(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
}

describe("the last gap of a stream", () => {
  it.each([
    ["is none where something always came", every(-300, 0, 5), null],
    ["is none where the stream is empty", [], null],
    [
      "lies between the messages around it",
      [...every(-300, -60, 5), ...every(-10, 0, 5)],
      [-60, -10],
    ],
    ["reaches to now where nothing has come since", every(-300, -30, 5), [-30, 0]],
    ["is the later one of two", [...every(-170, -120, 5), ...every(-90, -50, 5), -5], [-50, -5]],
    ["is none where it was long ago", [-5_000, ...every(-300, 0, 5)], null],
    ["may have begun before the look back", [-5_000, ...every(-100, 0, 5)], [-5_000, -100]],
  ])("%s", async (_, seconds, expected) => {
    const { stream } = await streamOf(seconds);
    const query = { stream, now: T, minMs: 15_000, lookBackMs: 180_000 };
    const gap = await lastGap(jsm, query);
    expect(gap).toEqual(
      expected && { from: T + (expected[0] ?? 0) * 1_000, to: T + (expected[1] ?? 0) * 1_000 },
    );
  });
});
