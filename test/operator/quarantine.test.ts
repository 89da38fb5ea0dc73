import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rejectionHeaders } from "../../lib/core/quarantine.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { openQuarantine } from "../../lib/operator/quarantine.ts";
import type { QuarantineDesk } from "../../lib/operator/quarantine.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";

const server = await startNatsServer();

describe("the quarantine desk", () => {
  let nc: NatsConnection;
  let desk: QuarantineDesk;

  beforeAll(async () => {
    nc = await connect({ servers: server.url });
    await makeStreams(nc);
    desk = await openQuarantine(nc, DEFAULT_PREFIXES, "tester");
  });

  afterAll(() => nc.close());

  async function reject(subject: string, payload: string): Promise<number> {
    const source = {
      subject,
      stream: "RUNBEAT_HEARTBEATS",
      streamCreated: "c",
      seq: 9,
      timeMs: 0,
      bytes: payload.length,
    };
    const head = headers();
    const record = rejectionHeaders({ reason: "bad_schema", message: 'pid is "x"' }, source);
    for (const [name, value] of Object.entries(record)) head.set(name, value);
    const ack = await jetstream(nc).publish("runbeat.quarantine.bad_schema", payload, {
      headers: head,
    });
    return ack.seq;
  }

  async function stateOf(seq: number): Promise<string | undefined> {
    return (await desk.list()).find((entry) => entry.seq === seq)?.state;
  }

  test("lists and shows a message with its reason, its subject and its bytes", async () => {
    const seq = await reject("runbeat.hb.camera.ümlaut.hd", '{"pid":"x"}');
    const entry = (await desk.list()).find((candidate) => candidate.seq === seq);
    expect(entry).toMatchObject({
      reason: "bad_schema",
      subject: "runbeat.hb.camera.ümlaut.hd",
      bytes: 11,
      state: "open",
    });
    const { payload, message } = await desk.read(seq);
    expect(Buffer.from(payload).toString()).toBe('{"pid":"x"}');
    expect(message).toBe('pid is "x"');
  });

  test("refuses to put back what would be rejected again, and changes nothing", async () => {
    const seq = await reject("runbeat.hb.camera.front.hd", '{"pid":"x"}');
    await expect(desk.retry(seq, {})).rejects.toThrow(
      /would be rejected again \(bad_schema: pid is "x"/,
    );
    expect(await stateOf(seq)).toBe("open");
  });

  test("puts a mended message back on its subject, once", async () => {
    const seq = await reject("runbeat.hb.camera.front.hd", '{"pid":"x"}');
    const stored = await desk.retry(seq, { payload: Buffer.from('{"pid":7}') });
    const jsm = await jetstream(nc).jetstreamManager();
    const message = await jsm.streams.getMessage("RUNBEAT_HEARTBEATS", { seq: stored });
    expect(message?.subject).toBe("runbeat.hb.camera.front.hd");
    expect(message?.string()).toBe('{"pid":7}');
    expect(await stateOf(seq)).toBe("retried");
    await expect(desk.retry(seq, { payload: Buffer.from('{"pid":7}') })).rejects.toThrow(
      /retried already, by tester/,
    );
  });

  test("puts a message back on a mended subject", async () => {
    const seq = await reject("runbeat.hb.camera.front", '{"pid":7}');
    await expect(desk.retry(seq, {})).rejects.toThrow(/bad_subject/);
    await desk.retry(seq, { subject: "runbeat.hb.camera.front.hd" });
    expect(await stateOf(seq)).toBe("retried");
  });

  test("discards, and says when there is no such message", async () => {
    const seq = await reject("runbeat.hb.camera.front.hd", "{");
    await desk.discard(seq);
    expect(await stateOf(seq)).toBe("discarded");
    await expect(desk.discard(9_999)).rejects.toThrow(/no message 9999 in quarantine/);
  });
});
