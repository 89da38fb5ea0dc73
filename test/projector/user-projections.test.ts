/** Read models of a user's own, from a module on disk to the rows that the API lists. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { foldableProjections, listedProjections } from "../../cmd/projection-list.ts";
import { loadSettings } from "../../config/load-settings.ts";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { verify } from "../../lib/operator/verify.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import type { Projector } from "../../lib/projector/projector.ts";
import { openDatabase } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { apiFixture, fixedMonitor } from "../api/api-fixture.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();
const { log, lines } = makeLog();

let nc: NatsConnection;
let dir: string;
let db: SqliteDatabase;
let running: Projector | undefined;
let folded: readonly AnyProjection[] = [];
let modules = 0;

beforeEach(async () => {
  nc = await connect({ servers: server.url });
  const jsm = await jetstreamManager(nc);
  for (const { config } of await jsm.streams.list().next()) await jsm.streams.delete(config.name);
  await makeStreams(nc);
  dir = makeTempDir("user-projections");
  db = await openDatabase(join(dir, "runbeat.db"));
});

afterEach(async () => {
  await stop();
  db.close();
  await nc.close();
});

async function stop(): Promise<void> {
  await running?.close();
  running = undefined;
}

/** A module with one projection. Each has a file of its own: a module is loaded once. */
function moduleOf(changes: Readonly<Record<string, string>> = {}): string {
  const parts = {
    name: '"beats_by_kind"',
    version: "1",
    stream: '"heartbeats"',
    columns: '{ kind: "text", beats: "integer", hosts: "json" }',
    key: '["kind"]',
    keyOf: "({ runner }) => [runner.kind]",
    evolve:
      "(row, { heartbeat }) => ({ beats: (row?.beats ?? 0) + 1, hosts: { ...row?.hosts, [heartbeat.host]: true } })",
    ...changes,
  };
  const name = `projection-${process.pid}-${(modules += 1)}.mjs`;
  const body = Object.entries(parts).map(([key, text]) => `${key}: ${text}`);
  writeFileSync(join(dir, name), `export default { ${body.join(", ")} };\n`);
  return name;
}

/** Settings whose file lies in the test's folder and names these modules. */
function contextOf(names: readonly string[]) {
  const file = join(dir, `settings-${(modules += 1)}.yaml`);
  writeFileSync(file, `projections: ${JSON.stringify(names)}\n`);
  return { ...loadSettings({ file, environment: {} }), file, log };
}

async function start(names: readonly string[]): Promise<void> {
  await stop();
  folded = await foldableProjections(contextOf(names), db);
  running = await startProjector({
    nc,
    db,
    prefixes: DEFAULT_PREFIXES,
    projections: folded,
    log,
  });
  await running.caughtUp;
}

async function beat(runner: string, body: object = {}): Promise<void> {
  const data = JSON.stringify({ pid: 1, host: "edge-1", ...body });
  const { seq } = await jetstream(nc).publish(`runbeat.hb.${runner}`, data);
  const at = db.prepare(
    "select seq from checkpoint where projection = 'latest_heartbeat' and lane = 'main'",
  );
  await waitFor(() => ((at.pluck().get() as number | undefined) ?? 0) >= seq, {
    what: `the heartbeats folded up to ${seq}`,
  });
}

const rows = () => db.prepare("select * from user_beats_by_kind order by kind").all();
const checkpoint = () =>
  db
    .prepare("select state, error, version from checkpoint where projection = 'beats_by_kind'")
    .all();

async function differences(): Promise<number> {
  const report = await verify({
    nc,
    prefixes: DEFAULT_PREFIXES,
    projections: folded,
    databaseFile: join(dir, "runbeat.db"),
    workDir: makeTempDir("user-verify"),
  });
  return report.differences;
}

describe("a read model of a user's own", () => {
  it("is folded with ours, verified with ours, and listed by the API", async () => {
    const names = [moduleOf()];
    await start(names);
    await beat("camera.door.hd");
    await beat("camera.attic.hd", { host: "edge-2" });
    await beat("worker.gpu.default");
    expect(rows()).toEqual([
      {
        kind: "camera",
        beats: 2,
        hosts: '{"edge-1":true,"edge-2":true}',
        first_seq: 1,
        last_seq: 2,
      },
      { kind: "worker", beats: 1, hosts: '{"edge-1":true}', first_seq: 3, last_seq: 3 },
    ]);
    expect(await differences()).toBe(0);
    db.prepare("update user_beats_by_kind set beats = 5 where kind = 'worker'").run();
    expect(await differences()).toBe(1);
  });

  it("is read page by page and by its key, with its JSON as JSON", async () => {
    const names = [moduleOf()];
    await start(names);
    await beat("camera.door.hd");
    await beat("worker.gpu.default");
    const models = openReadModels({
      file: join(dir, "runbeat.db"),
      thresholds: DEFAULT_THRESHOLDS,
    });
    const api = await apiFixture({
      models,
      monitor: fixedMonitor({ moment: () => ({ now: Date.now(), view: CLEAR_VIEW }) }),
      ...(await listedProjections(contextOf([...names, "no-such-module.mjs"]))),
    });
    try {
      const path = "/api/v1/projections/beats_by_kind";
      const first = await api.ask(`${path}?limit=1`);
      expect(first.body.items).toEqual([
        { kind: "camera", beats: 1, hosts: { "edge-1": true }, first_seq: 1, last_seq: 1 },
      ]);
      const second = await api.ask(`${path}?limit=1&cursor=${first.body.next_cursor as string}`);
      expect(second.body.items).toMatchObject([{ kind: "worker" }]);
      expect(second.body.next_cursor).toBeNull();
      expect((await api.ask(`${path}?kind=worker`)).body.items).toHaveLength(1);
      expect((await api.ask(`${path}?beats=1`)).status).toBe(400);
      const { status, body } = await api.ask("/healthz");
      expect(status).toBe(503);
      expect(body.checks["projection:no-such-module.mjs"][0]).toMatchObject({
        status: "fail",
        output: expect.stringMatching(/no-such-module\.mjs can't be loaded/) as string,
      });
    } finally {
      api.close();
      models.close();
    }
  });

  it("whose fold throws stands still and says where, while the others go on", async () => {
    const evolve = '() => { throw new Error("out of tea"); }';
    await start([moduleOf({ evolve })]);
    await beat("camera.door.hd");
    await waitFor(() => rows().length === 0 && JSON.stringify(checkpoint()).includes("stopped"), {
      what: "the fold stopped",
    });
    expect(checkpoint()).toEqual([{ state: "stopped", error: "out of tea", version: 1 }]);
    expect(db.prepare("select count(*) from latest_heartbeat").pluck().get()).toBe(1);
  });

  it("that changed its columns is left out until its version is raised, and then made anew", async () => {
    await start([moduleOf()]);
    await beat("camera.door.hd");
    const columns = '{ kind: "text", beats: "integer" }';
    const evolve = "(row) => ({ beats: (row?.beats ?? 0) + 1 })";
    await start([moduleOf({ columns, evolve })]);
    expect(lines.join("\n")).toMatch(/beats_by_kind is left out: .* still 1: raise it/);
    expect(checkpoint()).toMatchObject([{ state: "stopped", version: 1 }]);
    await start([moduleOf({ columns, evolve, version: "2" })]);
    await waitFor(() => rows().length === 1, { what: "its rows made anew" });
    expect(rows()).toEqual([{ kind: "camera", beats: 1, first_seq: 1, last_seq: 1 }]);
    expect(checkpoint()).toMatchObject([{ state: "running", version: 2 }]);
  });

  it("that is taken off the list leaves nothing behind", async () => {
    await start([moduleOf()]);
    await beat("camera.door.hd");
    await start([]);
    expect(() => rows()).toThrow(/no such table/);
    expect(checkpoint()).toEqual([]);
  });

  it.each([
    [{ name: '"timeline"' }, /the name timeline is one of Runbeat's own/],
    [{ name: '"Timeline"' }, /its name must be 1-48 characters/],
    [{ evolve: "}}}" }, /can't be loaded/],
  ])("that can't be used is told of, and ours go on: %j", async (changes, expected) => {
    await start([moduleOf(changes)]);
    await beat("camera.door.hd");
    expect(lines.join("\n")).toMatch(expected);
    expect(db.prepare("select count(*) from latest_heartbeat").pluck().get()).toBe(1);
  });
});
