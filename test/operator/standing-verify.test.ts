import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { standingComponents } from "../../lib/api/health-standing.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { recordVerify } from "../../lib/operator/findings.ts";
import { rebuild } from "../../lib/operator/rebuild.ts";
import { judgeRunner } from "../../lib/operator/row-sample.ts";
import { verifySample } from "../../lib/operator/standing-verify.ts";
import { verify } from "../../lib/operator/verify.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import type { Projector } from "../../lib/projector/projector.ts";
import { openDatabase, openReadOnly } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { standingReader } from "../../lib/store/read-standing.ts";
import { projections } from "../../projections/index.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const server = await startNatsServer();

describe("the standing check", () => {
  let nc: NatsConnection;
  let databaseFile: string;
  let db: SqliteDatabase;
  let running: Projector;
  const { log, lines } = makeLog();
  const prefixes = DEFAULT_PREFIXES;

  beforeEach(async () => {
    nc = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nc);
    for (const { config } of await jsm.streams.list().next()) await jsm.streams.delete(config.name);
    await makeStreams(nc);
    databaseFile = join(makeTempDir("standing"), "runbeat.db");
    db = await openDatabase(databaseFile);
    running = await startProjector({ nc, db, prefixes, projections, log });
    await running.caughtUp;
  });

  afterEach(async () => {
    await running.close();
    db.close();
    await nc.close();
  });

  const sample = async (isBusy = false) =>
    await verifySample({
      nc,
      db,
      databaseFile,
      prefixes,
      projections,
      everySec: 1,
      log,
      random: () => 0,
      isBusy,
    });

  const standing = () => standingReader(db)();
  const component = (name: string) => standingComponents(standing(), Date.now())[name]?.[0];

  /** One runner with heartbeats and events. */
  async function live(count: number): Promise<void> {
    for (let index = 0; index < count; index++)
      nc.publish("runbeat.hb.camera.a.hd", JSON.stringify({ pid: 1, host: "h", seq: index }));
    const spawned = { by: "t", host: "h", pid: 1, argv: ["x"], attempt: 0 };
    nc.publish("runbeat.ev.camera.a.hd.process_spawned", JSON.stringify(spawned));
    await nc.flush();
    const folded = db.prepare("select heartbeat_count from process_heartbeat").pluck();
    await waitFor(() => folded.get() === count, { what: "every heartbeat" });
    await waitFor(() => db.prepare("select 1 from timeline").get() !== undefined);
  }

  test("finds rows as they should be, and says how many it has looked at", async () => {
    await live(30);
    await sample();
    // Newest heartbeat, process twice, restart state, event.
    expect(standing()).toMatchObject({ check: { scope: "sample", rows: 5 }, findingCount: 0 });
    expect(component("verify:rows")).toMatchObject({ status: "pass", observedValue: 0 });
  });

  test("a row that its messages don't give is a failure that says which, until it is put right", async () => {
    await live(30);
    db.exec("update process_heartbeat set heartbeat_count = 31");
    await sample();
    expect(component("verify:rows")).toMatchObject({ status: "fail", observedValue: 1 });
    expect(component("verify:rows")?.output).toContain(
      "process_heartbeat camera/a/hd h 1 0, heartbeat_count: the table has 31, messages 1 to 30 of RUNBEAT_HEARTBEATS give 30",
    );
    expect(lines.join("\n")).toContain("runbeat rebuild process_heartbeat");
    db.exec("update process_heartbeat set heartbeat_count = 30");
    await sample();
    expect(component("verify:rows")).toMatchObject({ status: "pass" });
  });

  test.each([
    ["of a long history the end is judged, as far as it tells", { maxSpan: 10 }],
    [
      "of a runner with more messages than are read one by one, the newest are judged",
      { isBusy: true, maxSpan: 100, maxSingle: 12 },
    ],
  ])("%s", async (_name, limits) => {
    await live(30);
    const reading = openReadOnly(databaseFile);
    const jsm = await jetstreamManager(nc);
    const judge = async () =>
      await judgeRunner(
        { nc, jsm, prefixes, db: reading, projections, ...limits },
        "camera/a/hd" as RunnerId,
      );
    // How many there were before is not known.
    db.exec("update process_heartbeat set heartbeat_count = 31");
    expect(await judge()).toMatchObject({ findings: [], unjudged: 2 });
    db.exec("update latest_heartbeat set seq = 5");
    expect((await judge()).findings).toMatchObject([
      { projection: "latest_heartbeat", column: "seq", live: "5", folded: "29" },
    ]);
    reading.close();
  });

  test("while much comes in, finds the same without a reader that the server would open blocks for", async () => {
    await live(30);
    for (const [index, name] of ["b", "a", "b", "a", "c"].entries())
      nc.publish(
        `runbeat.hb.camera.${name}.hd`,
        JSON.stringify({ pid: 1, host: "h", seq: 30 + index }),
      );
    const last = db.prepare("select 1 from latest_heartbeat where runner = 'camera/c/hd'");
    await waitFor(() => last.get() !== undefined, { what: "the heartbeat of the last runner" });
    const jsm = await jetstreamManager(nc);
    const made: string[] = [];
    const advisories = nc.subscribe("$JS.EVENT.ADVISORY.CONSUMER.CREATED.>", {
      callback: (_error, { subject }) => void made.push(subject),
    });
    await nc.flush();
    await sample(true);
    expect(standing()).toMatchObject({ check: { scope: "sample", rows: 5 }, findingCount: 0 });
    db.exec("update process_heartbeat set heartbeat_count = 31 where name = 'a'");
    await sample(true);
    expect(standing().findings).toMatchObject([
      { projection: "process_heartbeat", column: "heartbeat_count", live: "31", folded: "32" },
    ]);
    await jsm.streams.info("RUNBEAT_HEARTBEATS");
    expect(made).toEqual([]);
    await sample(false);
    await waitFor(() => made.length > 0, { what: "the advisory of a reader" });
    advisories.unsubscribe();
  });

  test("a projector that is to end waits for no reading one by one", async () => {
    await live(30);
    const reading = openReadOnly(databaseFile);
    const jsm = await jetstreamManager(nc);
    const limits = { isBusy: true, signal: AbortSignal.abort() };
    const judging = judgeRunner(
      { nc, jsm, prefixes, db: reading, projections, ...limits },
      "camera/a/hd" as RunnerId,
    );
    await expect(judging).rejects.toThrow("aborted");
    reading.close();
  });

  test("a row too many and a row too few are found", async () => {
    await live(3);
    db.exec("delete from timeline");
    db.exec(`insert into process_lifecycle select runner, kind, name, profile, host, 99, started_at,
      state, effective_args, effective_env, attempt, announced_at, exit_code, signal, ended_at,
      end_reason, first_seq, last_seq from process_lifecycle`);
    await sample();
    expect(standing().findings).toMatchObject([
      { projection: "process_lifecycle", live: "a row", folded: "no such row" },
      { projection: "timeline", live: "no such row", folded: "a row" },
    ]);
  });

  test("a rebuild ends what it mended", async () => {
    await live(3);
    db.exec("update latest_heartbeat set pid = 7");
    await sample();
    expect(standing().findingCount).toBeGreaterThan(0);
    const own = await openDatabase(databaseFile);
    await rebuild({ nc, db: own, databaseFile, prefixes, projections, log });
    own.close();
    expect(standing().findingCount).toBe(0);
    await sample();
    expect(standing().findingCount).toBe(0);
  });

  test("a full verify is remembered in the same place, and replaces what was known", async () => {
    await live(3);
    db.exec("update latest_heartbeat set last_error = 'rtsp://user:secret@camera failed'");
    const full = async () => {
      const workDir = makeTempDir("verify");
      recordVerify(db, await verify({ nc, prefixes, projections, databaseFile, workDir }));
    };
    await full();
    expect(standing()).toMatchObject({ check: { scope: "all" }, findingCount: 1 });
    expect(component("verify:rows")?.output).not.toContain("secret");
    db.exec("update latest_heartbeat set last_error = ''");
    await full();
    expect(standing().findingCount).toBe(0);
  });

  test("a projector that gives no sign of life any more is a failure", async () => {
    expect(component("projector:process")).toMatchObject({ status: "pass" });
    expect(standingComponents(standing(), Date.now() + 60_000)["projector:process"]).toMatchObject([
      { status: "fail", output: expect.stringContaining("runbeat projector") },
    ]);
  });
});
