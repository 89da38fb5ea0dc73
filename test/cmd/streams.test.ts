import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { reconcileStreams } from "../../lib/nats/streams.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { STREAM_OPTIONS } from "../support/stream-options.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { runCommand } from "./command-line.ts";
import type { Outcome } from "./command-line.ts";

const cwd = makeTempDir("streams");
let server: TestNatsServer;
let nc: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  nc = await connect({ servers: server.url });
  await reconcileStreams(nc, STREAM_OPTIONS);
});

afterAll(async () => {
  await nc.close();
});

async function runbeat(...args: string[]): Promise<Outcome> {
  return await runCommand(args, { cwd, env: { NATS_URL: server.url } });
}

async function publish(subject: string, count: number): Promise<void> {
  const js = jetstream(nc);
  for (let seq = 0; seq < count; seq++) await js.publish(subject, JSON.stringify({ pid: 1, seq }));
}

async function messagesOf(stream: string): Promise<number> {
  const jsm = await jetstream(nc).jetstreamManager();
  return (await jsm.streams.info(stream)).state.messages;
}

interface StreamsAnswer {
  readonly streams: readonly Record<string, unknown>[];
  readonly projections: readonly Record<string, unknown>[];
}

describe("runbeat streams", () => {
  test("shows every stream with its messages, limits and the lag of its consumers", async () => {
    await publish("runbeat.ev.camera.a.b.process_spawned", 3);
    const jsm = await jetstream(nc).jetstreamManager();
    await jsm.consumers.add("RUNBEAT_EVENTS", { durable_name: "audit", ack_policy: "explicit" });
    const { code, stdout } = await runbeat("streams", "--json");
    expect(code).toBe(0);
    const { streams, projections } = JSON.parse(stdout) as StreamsAnswer;
    expect(streams.map(({ name }) => name)).toEqual([
      "RUNBEAT_HEARTBEATS",
      "RUNBEAT_SNAPSHOTS",
      "RUNBEAT_EVENTS",
      "RUNBEAT_ALERTS",
      "RUNBEAT_QUARANTINE",
    ]);
    expect(streams[2]).toMatchObject({
      subjects: ["runbeat.ev.>"],
      messages: 3,
      first_seq: 1,
      last_seq: 3,
      oldest: expect.stringMatching(/^\d{4}-.*Z$/),
      limits: { max_age_sec: 90 * 86_400, max_bytes: null, max_messages: null },
      persistence: "synchronous",
      consumers: [{ name: "audit", durable: true, pending: 3, ack_pending: 0, lag: 3 }],
    });
    expect(streams[2]?.["bytes"]).toBeGreaterThan(0);
    expect(projections).toEqual([]);
  });

  test("as text is a table", async () => {
    const { stdout } = await runbeat("streams");
    expect(stdout).toMatch(/^STREAM +SUBJECTS +MESSAGES +ON DISK/);
    expect(stdout).toMatch(/RUNBEAT_HEARTBEATS +runbeat\.hb\.> .* 24 h, 8 GiB/);
    expect(stdout).toMatch(/consumer audit +RUNBEAT_EVENTS/);
  });

  test("says what to do where there are none, and where there is no server: 1", async () => {
    const env = { NATS_URL: server.url, RUNBEAT_STREAM_PREFIX: "OTHER" };
    const none = await runCommand(["streams"], { cwd, env });
    expect(none).toMatchObject({ code: 0, stdout: expect.stringContaining("No streams yet") });
    const down = await runCommand(["streams"], { cwd, env: { NATS_URL: "nats://127.0.0.1:1" } });
    expect(down.code).toBe(1);
    expect(down.stderr).toMatch(/^runbeat: NATS at nats:\/\/127\.0\.0\.1:1 can't be reached.*\n$/);
  });
});

describe("runbeat prune", () => {
  test("keeps the last so long, of heartbeats and snapshots unless others are named", async () => {
    const before = await messagesOf("RUNBEAT_EVENTS");
    await publish("runbeat.hb.camera.a.b", 4);
    await publish("runbeat.snap.camera.a.b", 2);
    const dry = await runbeat("prune", "--d", "0", "--h", "24", "--m", "30", "--dry-run");
    expect(dry.code).toBe(0);
    expect(dry.stdout).toMatch(/RUNBEAT_HEARTBEATS: 0 messages older than .*Z would go, 4 kept/);
    const from = performance.now();
    await waitFor(() => performance.now() - from > 650, {
      what: "messages older than 0.01 minutes",
    });
    const { stdout } = await runbeat("prune", "--days", "0", "--minutes", "0.01", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      dry_run: false,
      messages: 6,
      streams: [
        { stream: "RUNBEAT_HEARTBEATS", messages: 4, messages_kept: 0 },
        { stream: "RUNBEAT_SNAPSHOTS", messages: 2, messages_kept: 0 },
      ],
    });
    expect(await messagesOf("RUNBEAT_EVENTS")).toBe(before);
  });

  test("keeps nothing only when told so", async () => {
    await publish("runbeat.quarantine.bad_json", 2);
    for (const args of [
      [],
      ["--days", "0"],
      ["--days", "0", "--hours", "0", "--stream", "events"],
    ]) {
      const { code, stderr } = await runbeat("prune", ...args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^runbeat: This would keep nothing\. .*--all.*\n$/);
    }
    const args = ["prune", "--all", "--stream", "RUNBEAT_QUARANTINE", "--stream", "alerts"];
    const dry = await runbeat(...args, "--dry-run");
    expect(dry.stdout).toMatch(/^RUNBEAT_QUARANTINE: 2 messages would go .*\nRUNBEAT_ALERTS: 0 /);
    expect(await messagesOf("RUNBEAT_QUARANTINE")).toBe(2);
    const { code, stdout } = await runbeat(...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^RUNBEAT_QUARANTINE: 2 messages purged \(about .*\), 0 kept\n/);
    expect(await messagesOf("RUNBEAT_QUARANTINE")).toBe(0);
  });

  test.each([
    [["--days", "-1"], /--days.*must be a number/],
    [["--hours", "soon"], /--hours.*must be a number/],
    [["--days", "1", "--stream", "nope"], /no stream "nope": --stream takes heartbeats, /],
    [["--days", "1", "--all"], /--all keeps nothing/],
  ])("refuses %j: 2", async (args, message) => {
    const { code, stderr } = await runbeat("prune", ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  test("--help explains, with an example", async () => {
    const { code, stdout } = await runbeat("prune", "-h");
    expect(code).toBe(0);
    expect(stdout).toContain("$ runbeat prune --days 0 --hours 24 --dry-run");
  });
});
