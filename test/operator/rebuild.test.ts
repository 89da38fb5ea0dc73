import { connect as connectTcp, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { rebuild } from "../../lib/operator/rebuild.ts";
import type { RebuildOptions, RebuildReport } from "../../lib/operator/rebuild.ts";
import { verify } from "../../lib/operator/verify.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import type { Projector } from "../../lib/projector/projector.ts";
import { openDatabase } from "../../lib/store/open.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { latestHeartbeat } from "../../projections/latest-heartbeat.ts";
import { projections } from "../../projections/index.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();

/** A way to the server on which whatever it says takes its time. */
async function startSlowWire(port: number, ms: number) {
  const wire = createServer((client) => {
    const upstream = connectTcp(port, "127.0.0.1");
    client.pipe(upstream);
    upstream.on("data", (piece) => setTimeout(() => client.write(piece), ms));
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => wire.listen(0, "127.0.0.1", resolve));
  return { port: (wire.address() as AddressInfo).port, close: () => wire.close() };
}

/** The same fold, in a version that writes another error. */
const changedFold: AnyProjection = {
  ...latestHeartbeat,
  version: 2,
  evolve: (row, message) => {
    const after = latestHeartbeat.evolve(row, message);
    return after === undefined ? undefined : { ...after, last_error: "of version 2" };
  },
};
const withChangedFold = projections.map((one) =>
  one.name === "latest_heartbeat" ? changedFold : one,
);

describe("a rebuild", () => {
  let nc: NatsConnection;
  let dir: string;
  let db: SqliteDatabase;
  /** Of the rebuild, as its process has one of its own. */
  let own: SqliteDatabase;
  let running: Projector | undefined;
  const { log } = makeLog();

  beforeEach(async () => {
    nc = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nc);
    for (const { config } of await jsm.streams.list().next()) await jsm.streams.delete(config.name);
    await makeStreams(nc);
    dir = makeTempDir("rebuild");
    db = await openDatabase(join(dir, "runbeat.db"));
    own = await openDatabase(join(dir, "runbeat.db"));
  });

  afterEach(async () => {
    await running?.close();
    running = undefined;
    db.close();
    own.close();
    await nc.close();
  });

  async function start(list: readonly AnyProjection[] = projections): Promise<void> {
    await running?.close();
    running = await startProjector({ nc, db, prefixes: DEFAULT_PREFIXES, projections: list, log });
    await running.caughtUp;
  }

  async function rebuildNow(more: Partial<RebuildOptions> = {}): Promise<RebuildReport> {
    const databaseFile = join(dir, "runbeat.db");
    const prefixes = DEFAULT_PREFIXES;
    return await rebuild({ nc, db: own, databaseFile, prefixes, projections, log, ...more });
  }

  async function beat(runner: string, body: object): Promise<number> {
    const ack = await jetstream(nc).publish(`runbeat.hb.${runner}`, JSON.stringify(body));
    return ack.seq;
  }

  async function beats(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      nc.publish(`runbeat.hb.camera.c${index % 9}.hd`, JSON.stringify({ pid: 1, seq: index }));
    }
    await nc.flush();
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

  async function expectRight(list = projections): Promise<void> {
    const report = await verify({
      nc,
      prefixes: DEFAULT_PREFIXES,
      projections: list,
      databaseFile: join(dir, "runbeat.db"),
      workDir: makeTempDir("verify"),
    });
    for (const { differences, problem } of report.tables)
      expect({ differences, problem }).toEqual({ differences: [], problem: undefined });
  }

  const counts = () =>
    db.prepare("select runner, heartbeat_count from running_process order by runner").all();
  const errors = () =>
    db.prepare("select distinct last_error from latest_heartbeat").pluck().all() as string[];

  test("puts right what was wrong in the live tables, and says what", async () => {
    await start();
    await beats(40);
    await foldedUpTo(40, "process_heartbeat");
    const before = counts();
    db.exec("update process_heartbeat set heartbeat_count = 7 where runner = 'camera/c3/hd'");
    const { outcome, tables } = await rebuildNow();
    expect(outcome).toBe("switched");
    expect(tables.flatMap(({ differences }) => differences)).toMatchObject([
      { table: "process_heartbeat", column: "heartbeat_count", live: 7, folded: 5, lastSeq: 40 },
    ]);
    expect(counts()).toEqual(before);
    await expectRight();
  });

  test("the projector goes on at once with the new rows", async () => {
    await start();
    await foldedUpTo(await beat("camera.a.hd", { pid: 1 }), "process_heartbeat");
    db.exec("update process_heartbeat set heartbeat_count = 100");
    await rebuildNow();
    await foldedUpTo(await beat("camera.a.hd", { pid: 1 }), "process_heartbeat");
    expect(counts()).toEqual([{ runner: "camera/a/hd", heartbeat_count: 2 }]);
    await expectRight();
  });

  test("who holds the fleet in memory reads the new rows, though no message came", async () => {
    await start();
    await foldedUpTo(await beat("camera.a.hd", { pid: 1, health: "healthy" }));
    db.exec("update latest_heartbeat set health = 'unhealthy'");
    const file = join(dir, "runbeat.db");
    const models = openReadModels({ file, thresholds: DEFAULT_THRESHOLDS });
    try {
      const moment = { now: Date.now(), view: CLEAR_VIEW };
      const health = () => models.summary(moment).health;
      expect(health()).toMatchObject({ healthy: 0, unhealthy: 1 });
      await rebuildNow();
      await waitFor(() => health().healthy === 1, { what: "the new row" });
      expect(health()).toMatchObject({ healthy: 1, unhealthy: 0 });
    } finally {
      models.close();
    }
  });

  test("works without a projector, and for one projection alone", async () => {
    await start();
    await beats(20);
    await foldedUpTo(20);
    await running?.close();
    running = undefined;
    await beats(20);
    db.exec("update latest_heartbeat set last_error = 'wrong'");
    const one = projections.filter(({ name }) => name === "latest_heartbeat");
    expect((await rebuildNow({ projections: one })).outcome).toBe("switched");
    expect(errors()).toEqual([""]);
    expect(seqOf("latest_heartbeat")).toBe(40);
    expect(seqOf("process_heartbeat")).toBe(20);
    await start();
    await foldedUpTo(40, "process_heartbeat");
    await expectRight();
  });

  test("a dry run exchanges nothing, and the next rebuild goes on from it", async () => {
    await start();
    await beats(20);
    await foldedUpTo(20);
    db.exec("update latest_heartbeat set last_error = 'wrong'");
    expect((await rebuildNow({ isDryRun: true })).outcome).toBe("ready");
    expect(errors()).toEqual(["wrong"]);
    const report = await rebuildNow();
    expect(report.resumed).toContain("latest_heartbeat");
    expect(report.folded).toBe(0);
    expect(errors()).toEqual([""]);
  });

  test("the rows of before can be gone back to, folded on", async () => {
    await start();
    await foldedUpTo(await beat("camera.a.hd", { pid: 1 }), "process_heartbeat");
    db.exec("update process_heartbeat set heartbeat_count = 100");
    await rebuildNow();
    await foldedUpTo(await beat("camera.a.hd", { pid: 1 }), "process_heartbeat");
    await rebuildNow({ isRollback: true });
    expect(counts()).toEqual([{ runner: "camera/a/hd", heartbeat_count: 101 }]);
    await foldedUpTo(await beat("camera.a.hd", { pid: 1 }), "process_heartbeat");
    await rebuildNow({ isRollback: true });
    expect(counts()).toEqual([{ runner: "camera/a/hd", heartbeat_count: 3 }]);
    await expectRight();
  });

  test("where there is nothing to go back to, it says so", async () => {
    await start();
    await expect(rebuildNow({ isRollback: true })).rejects.toThrow(/nothing to go back to/);
  });

  test("a second rebuild at the same time is told who runs", async () => {
    await start();
    await beats(20);
    const first = rebuildNow();
    await expect(rebuildNow()).rejects.toThrow(new RegExp(`already.*process ${process.pid}`));
    expect((await first).outcome).toBe("switched");
  });

  test("an interrupted one is served by nobody, and gone on with", async () => {
    await start();
    await beats(20);
    await foldedUpTo(20);
    const before = db.prepare("select * from latest_heartbeat").all();
    const { outcome } = await rebuildNow({ signal: AbortSignal.abort() });
    expect(outcome).toBe("interrupted");
    expect(db.prepare("select * from latest_heartbeat").all()).toEqual(before);
    expect((await rebuildNow()).outcome).toBe("switched");
    await expectRight();
  });

  test("rows of another version of a fold are served until a rebuild has made new ones", async () => {
    await start();
    await beats(20);
    await foldedUpTo(20);
    await start(withChangedFold);
    expect(running?.outdated).toEqual(["latest_heartbeat"]);
    expect(errors()).toEqual([""]);
    await foldedUpTo(await beat("camera.c1.hd", { pid: 1 }));
    expect(errors().toSorted((a, b) => a.localeCompare(b))).toEqual(["", "of version 2"]);
    await rebuildNow({ projections: [changedFold] });
    expect(errors()).toEqual(["of version 2"]);
    expect(running?.outdated).toEqual([]);
    await foldedUpTo(await beat("camera.new.hd", { pid: 1 }));
    await expectRight(withChangedFold);
  });

  test("a fold that throws exchanges nothing", async () => {
    await start();
    await beats(20);
    await foldedUpTo(20);
    const broken = {
      ...changedFold,
      evolve: () => {
        throw new Error("a bug in this fold");
      },
    };
    await expect(rebuildNow({ projections: [broken] })).rejects.toThrow(/message 1 .* a bug/);
    expect(errors()).toEqual([""]);
    await expectRight();
  });

  test("whose messages come later than the projector's still shows nobody an earlier moment", async () => {
    await start();
    // As two processes would, they don't wait for each other's transactions on one event loop.
    db.pragma("busy_timeout = 1");
    const slow = await startSlowWire(server.port, 300);
    const readingNc = await connect({ servers: `nats://127.0.0.1:${slow.port}` });
    const beating = setInterval(() => nc.publish("runbeat.hb.camera.c1.hd", '{"pid":1}'), 5);
    const seen: number[] = [];
    const position = db.prepare(
      "select min(seq) from checkpoint where lane = 'main' and stream = 'RUNBEAT_HEARTBEATS'",
    );
    const looking = setInterval(() => seen.push(position.pluck().get() as number), 1);
    try {
      await waitFor(() => (seqOf("latest_heartbeat") ?? 0) > 50);
      expect((await rebuildNow({ readingNc })).outcome).toBe("switched");
      const exchangedAt = seen.at(-1) ?? 0;
      await waitFor(() => (seqOf("latest_heartbeat") ?? 0) > exchangedAt + 50);
    } finally {
      clearInterval(beating);
      clearInterval(looking);
      await readingNc.close();
      slow.close();
    }
    expect(seen.filter((seq, index) => seq < (seen[index - 1] ?? 0))).toEqual([]);
    await expectRight();
  });

  test("rebuilds one after the other leave nothing behind but the last one's old rows", async () => {
    await start();
    await beats(20);
    await foldedUpTo(20);
    for (let round = 0; round < 3; round++) await rebuildNow();
    const tables = db
      .prepare(
        "select name from sqlite_master where type = 'table' and name glob '*timeline' order by name",
      )
      .pluck()
      .all();
    expect(tables).toEqual(["old_timeline", "timeline"]);
    await expectRight();
  });
});
