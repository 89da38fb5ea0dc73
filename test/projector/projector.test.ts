import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { verify } from "../../lib/operator/verify.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import type { Projector } from "../../lib/projector/projector.ts";
import { openDatabase } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { projections } from "../../projections/index.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();

describe("the projector", () => {
  let nc: NatsConnection;
  let dir: string;
  let db: SqliteDatabase;
  let running: Projector | undefined;
  const { log, lines } = makeLog();

  beforeEach(async () => {
    nc = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nc);
    for (const { config } of await jsm.streams.list().next()) await jsm.streams.delete(config.name);
    await makeStreams(nc);
    dir = makeTempDir("projector");
    db = await openDatabase(join(dir, "runbeat.db"));
  });

  afterEach(async () => {
    await running?.close();
    running = undefined;
    db.close();
    await nc.close();
  });

  async function start(list: readonly AnyProjection[] = projections): Promise<void> {
    running = await startProjector({ nc, db, prefixes: DEFAULT_PREFIXES, projections: list, log });
    await running.caughtUp;
  }

  async function stop(): Promise<void> {
    await running?.close();
    running = undefined;
  }

  async function beat(runner: string, body: object): Promise<number> {
    const ack = await jetstream(nc).publish(`runbeat.hb.${runner}`, JSON.stringify(body));
    return ack.seq;
  }

  const seqOf = (projection: string) =>
    db
      .prepare("select seq from checkpoint where projection = ? and lane = 'main'")
      .pluck()
      .get(projection) as number | undefined;

  async function foldedUpTo(seq: number, projection = "latest_heartbeat"): Promise<void> {
    await waitFor(() => (seqOf(projection) ?? 0) >= seq, {
      what: `${projection} folded up to ${seq}`,
      timeoutMs: 10_000,
    });
  }

  async function differences(): Promise<number> {
    const report = await verify({
      nc,
      prefixes: DEFAULT_PREFIXES,
      projections,
      databaseFile: join(dir, "runbeat.db"),
      workDir: makeTempDir("verify"),
    });
    for (const { differences: list, problem } of report.tables) {
      expect({ list, problem }).toEqual({ list: [], problem: undefined });
    }
    return report.differences;
  }

  test("folds heartbeats as they arrive", async () => {
    await start();
    const seq = await beat("camera.front.hd", { pid: 7, host: "edge-1", fps: 24.9 });
    await foldedUpTo(seq);
    const row = db.prepare("select * from running_process").get();
    expect(row).toMatchObject({
      runner: "camera/front/hd",
      host: "edge-1",
      pid: 7,
      managed: 0,
      state: "running",
      heartbeat_count: 1,
    });
    expect(await differences()).toBe(0);
  });

  test("goes on over messages that can't be folded", async () => {
    await start();
    await beat("camera.front.hd", { pid: "seven" });
    nc.publish("runbeat.hb.camera.front", Buffer.from([0xff, 0x00]));
    const seq = await beat("camera.front.hd", { pid: 7 });
    await foldedUpTo(seq);
    expect(db.prepare("select heartbeat_count from running_process").pluck().all()).toEqual([1]);
    expect(await differences()).toBe(0);
  });

  test("goes on after a crash of the server, and counts each heartbeat that is left once", async () => {
    await start();
    for (let index = 0; index < 50; index++) await beat("camera.front.hd", { pid: 7, seq: index });
    await server.kill9();
    await server.restart();
    const last = await waitForPublish(() => beat("camera.front.hd", { pid: 7, seq: 50 }));
    // The server may have lost its last heartbeats: then the checkpoint is past the end at first.
    const count = db.prepare("select heartbeat_count from running_process").pluck();
    await waitFor(() => seqOf("latest_heartbeat") === last && count.get() === last, {
      what: `${last} heartbeats counted`,
      timeoutMs: 10_000,
    });
    expect(await differences()).toBe(0);
  });

  test("takes back what a crashed server has lost, and folds what comes instead", async () => {
    await start();
    for (let index = 0; index < 20; index++) await beat(`camera.c${index % 3}.hd`, { pid: 7 });
    await server.stop();
    const kept = join(makeTempDir("store"), "copy");
    cpSync(server.storeDir, kept, { recursive: true });
    await server.restart();
    await waitForPublish(() => beat("camera.c1.hd", { pid: 7, last_error: "lost" }));
    await foldedUpTo(await beat("camera.new.hd", { pid: 8 }));
    await server.kill9();
    rmSync(server.storeDir, { recursive: true });
    cpSync(kept, server.storeDir, { recursive: true });
    await server.restart();
    const last = await waitForPublish(() => beat("camera.c2.hd", { pid: 7 }));
    expect(last).toBe(21);
    const notice = db.prepare("select notice from checkpoint where projection = ?").pluck();
    await waitFor(() => String(notice.get("latest_heartbeat")).endsWith("were taken back"));
    const count = db.prepare("select sum(heartbeat_count) from running_process").pluck();
    await waitFor(() => count.get() === 21, { what: "every heartbeat that is left" });
    expect(await differences()).toBe(0);
  });

  async function waitForPublish(publish: () => Promise<number>): Promise<number> {
    let seq = 0;
    await waitFor(
      async () => {
        seq = await publish().catch(() => 0);
        return seq > 0;
      },
      { what: "a publish after the restart", timeoutMs: 20_000 },
    );
    return seq;
  }

  test("two projectors by mistake count every heartbeat once", async () => {
    await start();
    const second = await openDatabase(join(dir, "runbeat.db"));
    const other = await startProjector({
      nc,
      db: second,
      prefixes: DEFAULT_PREFIXES,
      projections,
      log,
    });
    for (let index = 0; index < 300; index++) await beat(`camera.c${index % 7}.hd`, { pid: 7 });
    await foldedUpTo(300);
    expect(db.prepare("select sum(heartbeat_count) from running_process").pluck().get()).toBe(300);
    await other.close();
    second.close();
    expect(await differences()).toBe(0);
  });

  test("a stream that was recreated is noticed, said and folded anew", async () => {
    await start();
    for (let index = 0; index < 5; index++) await beat("camera.old.hd", { pid: 1 });
    await foldedUpTo(5);
    const jsm = await jetstreamManager(nc);
    await jsm.streams.delete("RUNBEAT_HEARTBEATS");
    await makeStreams(nc);
    await beat("camera.new.hd", { pid: 2 });
    const runners = () => db.prepare("select runner from running_process").pluck().all();
    await waitFor(() => runners().includes("camera/new/hd") && runners().length === 1, {
      what: "the new stream's runner alone",
      timeoutMs: 20_000,
    });
    expect(
      db
        .prepare("select notice from checkpoint where projection = 'latest_heartbeat'")
        .pluck()
        .get(),
    ).toMatch(/recreated/);
    expect(lines.join("\n")).toMatch(/recreated/);
    expect(await differences()).toBe(0);
  });

  test("messages that retention removed unread are noticed, said and not folded over", async () => {
    await start();
    await foldedUpTo(await beat("camera.front.hd", { pid: 1 }));
    await stop();
    for (let index = 0; index < 9; index++) await beat("camera.front.hd", { pid: 1 });
    const jsm = await jetstreamManager(nc);
    await jsm.streams.purge("RUNBEAT_HEARTBEATS", { keep: 3 });
    await start();
    await foldedUpTo(10);
    expect(
      db
        .prepare("select notice from checkpoint where projection = 'latest_heartbeat'")
        .pluck()
        .get(),
    ).toMatch(/retention gap: messages 2 to 7/);
    expect(db.prepare("select heartbeat_count from running_process").pluck().get()).toBe(3);
    expect(await differences()).toBe(0);
  });

  test("a lost tail whose sequences were used again is noticed", async () => {
    await start();
    await foldedUpTo(await beat("camera.front.hd", { pid: 1 }));
    await stop();
    db.prepare("update checkpoint set time = time - 5 where projection = 'latest_heartbeat'").run();
    await start();
    expect(
      db
        .prepare("select notice from checkpoint where projection = 'latest_heartbeat'")
        .pluck()
        .get(),
    ).toMatch(/lost and written again/);
    expect(await differences()).toBe(0);
  });

  test("a checkpoint past the end of the stream is noticed", async () => {
    await start();
    await foldedUpTo(await beat("camera.front.hd", { pid: 1 }));
    await stop();
    db.prepare("update checkpoint set seq = 99 where projection = 'process_heartbeat'").run();
    await start();
    expect(
      db
        .prepare("select notice from checkpoint where projection = 'process_heartbeat'")
        .pluck()
        .get(),
    ).toMatch(/past the end/);
    expect(await differences()).toBe(0);
  });

  test("a fold that throws stops its projection alone, and a mended one goes on from there", async () => {
    const broken = projections.map((projection) =>
      projection.name === "timeline"
        ? {
            ...projection,
            evolve: () => {
              throw new Error("a bug in this fold");
            },
          }
        : projection,
    );
    await start(broken);
    const body = JSON.stringify({ v: 1, by: "test", reason: "night" });
    const { seq } = await jetstream(nc).publish("runbeat.ev.camera.front.hd.runner_paused", body);
    await foldedUpTo(seq, "restart_state");
    const stopped = db.prepare(
      "select state, error, error_seq, seq from checkpoint where projection = 'timeline'",
    );
    await waitFor(() => (stopped.get() as { state: string }).state === "stopped", {
      what: "the timeline stopped",
      timeoutMs: 5_000,
    });
    expect(stopped.get()).toEqual({
      state: "stopped",
      error: "a bug in this fold",
      error_seq: seq,
      seq: seq - 1,
    });
    await stop();
    await start();
    await foldedUpTo(seq, "timeline");
    expect(stopped.get()).toMatchObject({ state: "running", error: null });
    expect(db.prepare("select type from timeline").pluck().all()).toEqual(["runner_paused"]);
    expect(await differences()).toBe(0);
  });

  test("a deleted database comes back the same", async () => {
    await start();
    for (let index = 0; index < 200; index++)
      await beat(`camera.c${index % 5}.hd`, {
        pid: 1 + (index % 2),
        started_at: 1_000 * (1 + (index % 2)),
        seq: index,
      });
    await foldedUpTo(200);
    await stop();
    const dump = (from: SqliteDatabase) =>
      from.prepare("select * from latest_heartbeat order by runner").all();
    const before = dump(db);
    db.close();
    db = await openDatabase(join(makeTempDir("again"), "runbeat.db"));
    await start();
    expect(dump(db)).toEqual(before);
  });

  test("after a prune the tables of history follow their stream", async () => {
    await start();
    for (let index = 0; index < 4; index++) {
      await jetstream(nc).publish(
        "runbeat.ev.camera.front.hd.runner_paused",
        JSON.stringify({ by: "test" }),
      );
    }
    await foldedUpTo(4, "timeline");
    const jsm = await jetstreamManager(nc);
    await jsm.streams.purge("RUNBEAT_EVENTS", { keep: 1 });
    await waitFor(() => db.prepare("select count(*) from timeline").pluck().get() === 1, {
      what: "one row of the timeline",
      timeoutMs: 10_000,
    });
    expect(await differences()).toBe(0);
  });

  test("a cold start tells every runner's newest state before the history is folded", async () => {
    for (let index = 0; index < 30_000; index++) {
      nc.publish(`runbeat.hb.camera.c${index % 10}.hd`, JSON.stringify({ pid: 1, seq: index }));
    }
    await nc.flush();
    const jsm = await jetstreamManager(nc);
    await waitFor(
      async () => (await jsm.streams.info("RUNBEAT_HEARTBEATS")).state.messages === 30_000,
      { what: "30,000 stored", timeoutMs: 20_000 },
    );
    const seen: number[] = [];
    const poll = setInterval(() => {
      const active = db.prepare("select active from lane where lane = 'fast'").pluck().get();
      if (active === 1)
        seen.push(
          db
            .prepare("select count(*) from fast_latest_heartbeat where seq >= 29990")
            .pluck()
            .get() as number,
        );
    }, 1);
    await start();
    clearInterval(poll);
    expect(seen[0]).toBe(10);
    expect(db.prepare("select active from lane where lane = 'fast'").pluck().get()).toBe(0);
    expect(db.prepare("select count(*) from fast_latest_heartbeat").pluck().get()).toBe(0);
    expect(db.prepare("select sum(heartbeat_count) from running_process").pluck().get()).toBe(
      30_000,
    );
    expect(await differences()).toBe(0);
  });
});
