import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStreamAccess } from "../../lib/api/jetstream-access.ts";
import { startMonitor } from "../../lib/api/pipeline-monitor.ts";
import type { PipelineMonitor } from "../../lib/api/pipeline-monitor.ts";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import type { ReadModels } from "../../lib/core/read-models.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { readFixture } from "../store/read-fixture.ts";
import type { ReadFixture } from "../store/read-fixture.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";

const STREAM = "RUNBEAT_HEARTBEATS";
let server: TestNatsServer;
let nc: NatsConnection;
let rows: ReadFixture;
let models: ReadModels;
let monitor: PipelineMonitor;

beforeAll(async () => {
  server = await startNatsServer();
  nc = await connect({ servers: server.url, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
  rows = await readFixture();
  models = openReadModels({ file: rows.file, thresholds: DEFAULT_THRESHOLDS });
  const streams = openStreamAccess(Promise.resolve(nc), DEFAULT_PREFIXES);
  monitor = startMonitor({
    askServer: () => streams.askServer(),
    checkpoints: () => models.checkpoints(),
    followed: [{ projection: "latest_heartbeat", stream: STREAM }],
    limits: { contactMs: 3_000, lagMs: 1_500 },
  });
});

afterAll(async () => {
  monitor.close();
  models.close();
  rows.close();
  await nc.close();
});

async function foldedUpTo(seq: number): Promise<void> {
  const { created } = await (await jetstreamManager(nc)).streams.info(STREAM);
  rows.checkpoint({ projection: "latest_heartbeat", stream_created: created, seq });
}

const isBlind = (): boolean => monitor.moment().view.blindSince !== null;

describe("the monitor, on a real server", () => {
  it("can tell nothing before there are streams and checkpoints", async () => {
    await waitFor(() => monitor.trouble()?.includes("none of the streams"));
    expect(isBlind()).toBe(true);
    await makeStreams(nc);
    await waitFor(() => monitor.trouble() === undefined);
    expect([isBlind(), monitor.hasCaughtUp()]).toEqual([true, false]);
  });

  it("sees once everything is folded, on the server's clock", async () => {
    await foldedUpTo(0);
    await waitFor(() => !isBlind());
    expect(monitor.hasCaughtUp()).toBe(true);
    expect(monitor.lagMs()).toBe(0);
    expect(Math.abs(monitor.moment().now - Date.now())).toBeLessThan(2_000);
    expect(monitor.streams().map((stream) => stream.stream)).toContain(STREAM);
  });

  it("is blind while what is stored is not folded, and excuses nobody for it", async () => {
    const { seq } = await jetstream(nc).publish("runbeat.hb.camera.a.hd", "{}");
    await waitFor(isBlind);
    await waitFor(() => (monitor.lagMs() ?? 0) > 0);
    await foldedUpTo(seq);
    await waitFor(() => !isBlind());
    expect(monitor.moment().view.lastBlind).toBeNull();
    const heartbeats = () => monitor.streams().find(({ stream }) => stream === STREAM);
    await waitFor(() => heartbeats()?.holds?.messages === 1);
    expect(heartbeats()?.holds).toMatchObject({
      firstSeq: seq,
      maxBytes: expect.any(Number) as number,
    });
  });

  it("freezes the clock when NATS goes, is blind after three seconds, and remembers it", async () => {
    await server.stop();
    const stoppedAt = monitor.moment().now;
    await waitFor(isBlind);
    const { now, view } = monitor.moment();
    expect(now - stoppedAt).toBeLessThan(1_500);
    expect(view.blindSince).toBeLessThanOrEqual(now);
    expect(monitor.trouble()).toMatch(/NATS/);
    await server.restart();
    await waitFor(() => !isBlind());
    const { lastBlind } = monitor.moment().view;
    expect((lastBlind?.to ?? 0) - (lastBlind?.from ?? 0)).toBeGreaterThan(2_900);
  });
});
