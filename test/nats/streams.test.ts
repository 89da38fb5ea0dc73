import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect, headers } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isAtLeast, openJetStream } from "../../lib/nats/jetstream.ts";
import { MAX_HEARTBEAT_STREAM_BYTES, declareStreams } from "../../lib/nats/stream-declarations.ts";
import type { StreamLimits, StreamOptions } from "../../lib/nats/stream-declarations.ts";
import { reconcileStreams } from "../../lib/nats/streams.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { STREAM_OPTIONS } from "../support/stream-options.ts";

let nc: NatsConnection;
let jsm: JetStreamManager;

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  jsm = await jetstreamManager(nc);
});

afterEach(async () => {
  for (const { config } of await jsm.streams.list().next()) await jsm.streams.delete(config.name);
});

afterAll(async () => {
  await nc.close();
});

function withLimits(key: keyof StreamOptions["limits"], limits: Partial<StreamLimits>) {
  const { limits: all } = STREAM_OPTIONS;
  return { ...STREAM_OPTIONS, limits: { ...all, [key]: { ...all[key], ...limits } } };
}

async function configOf(name: string): Promise<StreamConfig> {
  return (await jsm.streams.info(name)).config;
}

const HOUR_NS = 3_600e9;

describe("on an empty server", () => {
  test("all streams and the state bucket are created as declared", async () => {
    const reports = await reconcileStreams(nc, STREAM_OPTIONS);
    expect(reports.map(({ stream, outcome }) => `${stream} ${outcome}`)).toEqual([
      "RUNBEAT_HEARTBEATS created",
      "RUNBEAT_SNAPSHOTS created",
      "RUNBEAT_EVENTS created",
      "RUNBEAT_ALERTS created",
      "RUNBEAT_QUARANTINE created",
      "KV_RUNBEAT_STATE created",
    ]);
    expect(await configOf("RUNBEAT_HEARTBEATS")).toMatchObject({
      subjects: ["runbeat.hb.>"],
      storage: "file",
      compression: "s2",
      discard: "old",
      max_age: 24 * HOUR_NS,
      max_bytes: MAX_HEARTBEAT_STREAM_BYTES,
      deny_delete: true,
      deny_purge: false,
      allow_rollup_hdrs: false,
      allow_direct: true,
      duplicate_window: 120e9,
      persist_mode: "async",
    });
    const events = await configOf("RUNBEAT_EVENTS");
    expect(events.max_age).toBe(90 * 24 * HOUR_NS);
    expect(events.persist_mode ?? "default").toBe("default");
    expect(await configOf("RUNBEAT_QUARANTINE")).toMatchObject({ max_msgs: 100_000 });
  });

  test("a second run changes nothing", async () => {
    await reconcileStreams(nc, STREAM_OPTIONS);
    const again = await reconcileStreams(nc, STREAM_OPTIONS);
    expect(new Set(again.map(({ outcome }) => outcome))).toEqual(new Set(["unchanged"]));
  });

  test("two runs at once both succeed", async () => {
    const runs = await Promise.all([
      reconcileStreams(nc, STREAM_OPTIONS),
      reconcileStreams(nc, STREAM_OPTIONS),
    ]);
    expect(runs.map((reports) => reports.length)).toEqual([6, 6]);
  });

  test("the state bucket works as a key-value bucket whose keys can expire", async () => {
    await reconcileStreams(nc, STREAM_OPTIONS);
    const kv = await new Kvm(nc).open("RUNBEAT_STATE");
    await kv.put("position", "1");
    await kv.put("position", "2");
    expect((await kv.get("position"))?.string()).toBe("2");
    await jetstream(nc).publish("$KV.RUNBEAT_STATE.lease", "me", { ttl: "1s" });
  });

  test("two installations share a server under prefixes of their own", async () => {
    await reconcileStreams(nc, STREAM_OPTIONS);
    const prefixes = { subject: "plant2", stream: "PLANT2" };
    await reconcileStreams(nc, { ...STREAM_OPTIONS, prefixes });
    expect((await configOf("PLANT2_EVENTS")).subjects).toEqual(["plant2.ev.>"]);
  });

  test("a message can be neither deleted nor rolled up", async () => {
    await reconcileStreams(nc, STREAM_OPTIONS);
    const js = jetstream(nc);
    const { seq } = await js.publish("runbeat.ev.camera.a.b.process_spawned", "{}");
    await expect(jsm.streams.deleteMessage("RUNBEAT_EVENTS", seq)).rejects.toThrow(/delete/);
    const rollup = headers();
    rollup.set("Nats-Rollup", "all");
    await expect(
      js.publish("runbeat.ev.camera.a.b.process_spawned", "{}", { headers: rollup }),
    ).rejects.toThrow(/roll/);
  });
});

describe("the size of the heartbeats", () => {
  test.each([
    [400 * 2 ** 30, MAX_HEARTBEAT_STREAM_BYTES],
    [8 * 2 ** 30, 2 * 2 ** 30],
    [10, 2 ** 26],
  ])("with %d bytes free on the disk it is %d", (freeDiskBytes, expected) => {
    const [heartbeats] = declareStreams({ ...STREAM_OPTIONS, freeDiskBytes });
    expect(heartbeats?.config.max_bytes).toBe(expected);
  });

  test("who does not see the server's disk leaves the limit that was chosen by it", async () => {
    const fresh = await startNatsServer();
    const own = await connect({ servers: fresh.url });
    await reconcileStreams(own, { ...STREAM_OPTIONS, freeDiskBytes: 8 * 2 ** 30 });
    const [heartbeats] = await reconcileStreams(own, STREAM_OPTIONS);
    expect(heartbeats).toMatchObject({ outcome: "unchanged" });
    const [grown] = await reconcileStreams(own, { ...STREAM_OPTIONS, freeDiskBytes: 2 ** 40 });
    expect(grown).toMatchObject({ outcome: "updated" });
    await own.close();
  });

  test("a server with less room gets a smaller stream, and that is said", async () => {
    const small = await startNatsServer({ maxFileStore: "3GB" });
    const own = await connect({ servers: small.url });
    const [heartbeats] = await reconcileStreams(own, STREAM_OPTIONS);
    expect(heartbeats?.notes).toEqual([expect.stringContaining("has no room for more")]);
    const [again] = await reconcileStreams(own, STREAM_OPTIONS);
    expect(again).toMatchObject({ outcome: "unchanged" });
    const explicit = withLimits("heartbeats", { maxBytes: 8 * 2 ** 30 });
    const refused = reconcileStreams(own, explicit);
    await expect(refused).rejects.toMatchObject({ code: "unavailable" });
    await expect(refused).rejects.toThrow(/max_bytes to less/);
    await own.close();
  });
});

describe("on existing streams", () => {
  test("changed limits are applied in place and the messages stay", async () => {
    await reconcileStreams(nc, STREAM_OPTIONS);
    await jetstream(nc).publish("runbeat.ev.camera.a.b.process_spawned", "{}");
    const reports = await reconcileStreams(
      nc,
      withLimits("events", { maxAgeSec: 60, maxBytes: 2 ** 30, maxMessages: 5 }),
    );
    const report = reports.find(({ key }) => key === "events");
    expect(report?.changes.map(({ field }) => field).toSorted()).toEqual([
      "duplicate_window",
      "max_age",
      "max_bytes",
      "max_msgs",
    ]);
    const info = await jsm.streams.info("RUNBEAT_EVENTS");
    expect(info.config).toMatchObject({ max_age: 60e9, max_bytes: 2 ** 30, max_msgs: 5 });
    expect(info.state.messages).toBe(1);
  });

  test("settings of the operator's own are left alone", async () => {
    await reconcileStreams(nc, STREAM_OPTIONS);
    await jsm.streams.update("RUNBEAT_EVENTS", {
      consumer_limits: { max_ack_pending: 77 },
      metadata: { owner: "ops" },
    });
    await reconcileStreams(nc, withLimits("events", { maxAgeSec: 600 }));
    const config = await configOf("RUNBEAT_EVENTS");
    expect(config).toMatchObject({ consumer_limits: { max_ack_pending: 77 }, max_age: 600e9 });
    expect(config.metadata).toMatchObject({ owner: "ops" });
  });

  test("a stream of an older server without asynchronous persistence is kept, with a note", async () => {
    await jsm.streams.add({ name: "RUNBEAT_HEARTBEATS", subjects: ["runbeat.hb.>"] });
    const [report] = await reconcileStreams(nc, STREAM_OPTIONS);
    expect(report?.outcome).toBe("updated");
    expect(report?.notes.join()).toContain("persist_mode stays default");
    const again = await reconcileStreams(nc, STREAM_OPTIONS);
    expect(again[0]?.outcome).toBe("unchanged");
  });

  test.each<[string, Partial<StreamConfig>, RegExp]>([
    ["memory storage", { storage: "memory" }, /storage is "memory", but must be "file"/],
    ["a work queue", { retention: "workqueue" }, /retention is "workqueue", but must be "limits"/],
    ["asynchronous events", { persist_mode: "async" }, /persist_mode is "async", but must be/],
    ["denied purges", { deny_purge: true }, /deny_purge is true, but must be false/],
    ["other subjects", { subjects: ["x.ev.>"] }, /subjects is \["x.ev.>"\], but must be/],
  ])(
    "%s can't be changed, which is refused with stream, field and advice",
    async (_, has, text) => {
      await jsm.streams.add({ name: "RUNBEAT_EVENTS", subjects: ["runbeat.ev.>"], ...has });
      const refused = reconcileStreams(nc, STREAM_OPTIONS);
      await expect(refused).rejects.toMatchObject({ code: "conflict" });
      await expect(refused).rejects.toThrow(text);
      await expect(refused).rejects.toThrow(/Stream RUNBEAT_EVENTS .* delete RUNBEAT_EVENTS/);
    },
  );

  test("subjects that another stream takes are refused with that stream's name", async () => {
    await jsm.streams.add({ name: "MINE", subjects: ["runbeat.ev.>"] });
    await expect(reconcileStreams(nc, STREAM_OPTIONS)).rejects.toThrow(
      /RUNBEAT_EVENTS can't have runbeat\.ev\.>: MINE takes it\. Set nats\.subject_prefix/,
    );
  });

  test("replicas on a single server are refused with the setting to change", async () => {
    const refused = reconcileStreams(nc, { ...STREAM_OPTIONS, replicas: 3 });
    await expect(refused).rejects.toThrow(/nats\.replicas .* it is 3/);
  });
});

describe("the server", () => {
  test("without JetStream is refused with what to do", async () => {
    const plain = await startNatsServer({ jetstream: false });
    const own = await connect({ servers: plain.url });
    await expect(openJetStream(own, { timeoutMs: 1_000 })).rejects.toThrow(
      /has no JetStream for this account: start it with --jetstream/,
    );
    await own.close();
  });

  test("with an account without JetStream is refused the same", async () => {
    const server = await startNatsServer({
      config: `accounts { A { users: [ { user: a, password: a } ] } }`,
    });
    const own = await connect({ servers: server.url, user: "a", pass: "a" });
    await expect(openJetStream(own, { timeoutMs: 1_000 })).rejects.toThrow(/has no JetStream/);
    await own.close();
  });

  test.each([
    ["2.11.0", true],
    ["v2.11.4", true],
    ["3.0", true],
    ["2.12.0-RC.1", true],
    ["2.10.29", false],
    ["2.9.25", false],
    ["1.99.99", false],
    ["", false],
  ])("version %j is new enough: %s", (version, expected) => {
    expect(isAtLeast(version, "2.11.0")).toBe(expected);
  });
});
