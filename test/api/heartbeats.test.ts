import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openStreamAccess } from "../../lib/api/jetstream-access.ts";
import type { StreamAccess } from "../../lib/api/stream-access.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const PATH = "/api/v1/runners/camera/a/hd/heartbeats";
let nc: NatsConnection;
let js: JetStreamClient;
let jsm: JetStreamManager;
let streams: StreamAccess;
let api: ApiFixture;

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  await makeStreams(nc);
  js = jetstream(nc);
  jsm = await jetstreamManager(nc);
  streams = openStreamAccess(Promise.resolve(nc), DEFAULT_PREFIXES);
  await waitFor(() => streams.isConnected());
  api = await apiFixture({ streams });
});

afterEach(async () => {
  api.assertNoFaults();
  await jsm.streams.purge("RUNBEAT_HEARTBEATS");
});

afterAll(async () => {
  api.close();
  await nc.close();
});

async function beat(runner: string, body: unknown): Promise<number> {
  const subject = `runbeat.hb.${runner.replaceAll("/", ".")}`;
  const data = typeof body === "string" ? body : JSON.stringify(body);
  return (await js.publish(subject, data)).seq;
}

async function many(count: number, runnerOf: (index: number) => string): Promise<void> {
  const all = Array.from({ length: count }, async (_, index) => {
    await beat(runnerOf(index), { pid: 1, seq: index });
  });
  await Promise.all(all);
}

const seqs = (body: { items: { heartbeat: { seq: number } }[] }): number[] =>
  body.items.map((item) => item.heartbeat.seq);

describe("the heartbeats of a runner", () => {
  it("are the latest only, decoded, unless all are asked for", async () => {
    await beat("camera/a/hd", { pid: 1, seq: 1 });
    const seq = await beat("camera/a/hd", {
      pid: 2,
      host: "edge-1",
      started_at: 1_700_000_000_000,
      labels: { a: "b" },
      extra: 5,
    });
    await beat("camera/b/hd", { pid: 3 });
    const { status, body } = await api.ask(PATH);
    expect(status).toBe(200);
    expect(body).toMatchObject({ next_cursor: null, as_of: { seq } });
    expect(body.items).toEqual([
      {
        seq,
        time: expect.stringMatching(/^20.*Z$/),
        rejection: null,
        heartbeat: expect.objectContaining({
          pid: 2,
          host: "edge-1",
          started_at: "2023-11-14T22:13:20.000Z",
          labels: { a: "b" },
          detail: { extra: 5 },
          fps: null,
        }),
      },
    ]);
  });

  it("are all of them, newest first, page by page", async () => {
    await many(300, (index) => (index % 3 === 0 ? "camera/a/hd" : `camera/n${index % 50}/hd`));
    const found: number[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const { body } = await api.ask(`${PATH}?all=1&limit=30&cursor=${cursor}`);
      expect(body.items.length).toBeLessThanOrEqual(30);
      found.push(...seqs(body));
      cursor = body.next_cursor;
    }
    expect(found).toEqual(Array.from({ length: 100 }, (_, index) => 297 - 3 * index));
  });

  it("are found where the runner beat long ago and then fell silent", async () => {
    await many(60, () => "camera/a/hd");
    await many(5_000, (index) => `camera/n${index % 10}/hd`);
    await many(3, () => "camera/a/hd");
    const { body } = await api.ask(`${PATH}?all=1&limit=50`);
    expect(seqs(body)).toEqual([2, 1, 0, ...Array.from({ length: 47 }, (_, index) => 59 - index)]);
    expect(body.next_cursor).not.toBeNull();
  });

  it("are found where all of many come at once", async () => {
    await many(2_500, () => "camera/a/hd");
    const { body } = await api.ask(`${PATH}?all=1&limit=1000`);
    expect(seqs(body)).toEqual(Array.from({ length: 1_000 }, (_, index) => 2_499 - index));
  });

  it("show what is wrong with one that was rejected", async () => {
    await beat("camera/a/hd", "{broken");
    const { body } = await api.ask(`${PATH}?all=1`);
    expect(body.items[0]).toMatchObject({ heartbeat: null, rejection: { reason: "bad_json" } });
  });

  it("are none where the stream has none, and unknown where nobody knows the runner", async () => {
    expect((await api.ask(PATH)).status).toBe(404);
    api.rows.beat({ runner: "camera/a/hd" });
    await waitFor(() => api.models.isLoaded());
    const { status, body } = await api.ask(`${PATH}?all=1`);
    expect([status, body.items]).toEqual([200, []]);
  });

  it("leave neither subscriptions nor consumers behind", async () => {
    await many(200, () => "camera/a/hd");
    await api.ask(`${PATH}?all=1`);
    const before = (
      nc as unknown as { protocol: { subscriptions: { subs: Map<number, unknown> } } }
    ).protocol.subscriptions.subs.size;
    for (let index = 0; index < 20; index++) await api.ask(`${PATH}?all=1&limit=10`);
    const after = (nc as unknown as { protocol: { subscriptions: { subs: Map<number, unknown> } } })
      .protocol.subscriptions.subs.size;
    expect(after).toBe(before);
    expect(await jsm.consumers.list("RUNBEAT_HEARTBEATS").next()).toEqual([]);
  });
});
