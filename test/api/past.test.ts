import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStreamAccess } from "../../lib/api/jetstream-access.ts";
import type { StreamState } from "../../lib/api/pipeline-watch.ts";
import type { StreamAccess } from "../../lib/api/stream-access.ts";
import { rejectionHeaders } from "../../lib/core/quarantine.ts";
import type { ReadModels } from "../../lib/core/read-models.ts";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { PastStates } from "../../lib/operator/past-states.ts";
import { locateMoment, openLocated } from "../../lib/operator/state-at.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import type { Projector } from "../../lib/projector/projector.ts";
import { openDatabase } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { projections } from "../../projections/index.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture, fixedMonitor } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const SILENT = "camera/c0/hd";
/** Every route that reads, with what it can be asked. */
const ROUTES = [
  "/api/v1/runners",
  "/api/v1/runners?status=online&sort=-runner",
  `/api/v1/runners/${SILENT}`,
  "/api/v1/runners/camera/c2/hd",
  "/api/v1/runners/camera/c2/hd/history",
  "/api/v1/runners/camera/c2/hd/history?every=60s",
  "/api/v1/runners/camera/c1/hd/timeline",
  "/api/v1/runners/camera/c1/hd/heartbeats",
  "/api/v1/runners/camera/c1/hd/heartbeats?all=1",
  "/api/v1/processes",
  "/api/v1/processes?state=exited",
  "/api/v1/summary",
  "/api/v1/timeline",
  "/api/v1/quarantine",
  "/api/v1/quarantine?state=open",
];

const dir = makeTempDir("past");
const { log } = makeLog();
let nc: NatsConnection;
let db: SqliteDatabase;
let projector: Projector;
let models: ReadModels;
let past: PastStates;
let api: ApiFixture;
let access: StreamAccess;
let now = 0;
let streams: readonly StreamState[] = [];
/** The last message of each stream, by a projection that folds it. */
const last = new Map<string, number>();
/** What the API answered at each moment. */
const answered: { at: number; answers: Map<string, unknown> }[] = [];

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  await makeStreams(nc);
  db = await openDatabase(join(dir, "runbeat.db"));
  projector = await startProjector({ nc, db, prefixes: DEFAULT_PREFIXES, projections, log });
  models = openReadModels({ file: join(dir, "runbeat.db"), thresholds: DEFAULT_THRESHOLDS });
  const options = { nc, prefixes: DEFAULT_PREFIXES, projections, thresholds: DEFAULT_THRESHOLDS };
  past = new PastStates({
    locate: async (at) => await locateMoment({ ...options, at }),
    open: async (moment) => await openLocated({ ...options, at: moment.at }, moment),
  });
  access = openStreamAccess(Promise.resolve(nc), DEFAULT_PREFIXES);
  await waitFor(() => access.isConnected());
  api = await apiFixture({
    models,
    past,
    streams: access,
    monitor: fixedMonitor({
      moment: () => ({ now, view: CLEAR_VIEW }),
      streams: () => streams,
    }),
  });
  for (let round = 0; round < 4; round++) await recordRound(round);
});

afterAll(async () => {
  api.close();
  models.close();
  await past.close();
  await projector.close();
  db.close();
  await nc.close();
});

/** Something happens, then the API is asked for everything. */
async function recordRound(round: number): Promise<void> {
  for (let runner = round === 0 ? 0 : 1; runner < 3; runner++) {
    const body = { pid: 10 + round, host: `h${runner}`, seq: round, fps: round, detail: { round } };
    const seq = await publish(`runbeat.hb.camera.c${runner}.hd`, body);
    const ts = new Date(1_700_000_000_000 + round * 60_000).toISOString();
    const snapshot = { v: 1, ...body, ts, heartbeat_seq: seq };
    last.set("runner_heartbeat", await publish(`runbeat.snap.camera.c${runner}.hd`, snapshot));
    last.set("latest_heartbeat", seq);
  }
  last.set("quarantine", await reject(round));
  const event = { v: 1, by: "test", host: "h1", pid: 10 + round, started_at: 5_000 };
  await publish("runbeat.ev.camera.c1.hd.process_spawned", event);
  await publish("runbeat.ev.camera.c1.hd.process_exited", { ...event, exit_code: round });
  if (round === 3) await publish("runbeat.ev.camera.c2.hd.runner_retired", event);
  last.set("timeline", await publish("runbeat.ev.camera.c1.hd.runner_paused", event));
  await waitFor(() => [...last].every(([projection, seq]) => folded(projection) >= seq));
  now = await settledTime();
  ({ streams } = await access.askServer());
  const answers = new Map<string, unknown>();
  for (const route of ROUTES) answers.set(route, lasting((await api.ask(route)).body));
  answered.push({ at: now, answers });
}

/** Each round rejects a message; the third one resolves the first. */
async function reject(round: number): Promise<number> {
  const source = { subject: "x", stream: "S", streamCreated: "c", seq: 1, timeMs: 1, bytes: 3 };
  const rejection = { reason: "bad_json", message: `in round ${round}` } as const;
  const given = headers();
  for (const [name, value] of Object.entries(rejectionHeaders(rejection, source)))
    given.set(name, value);
  const seq = await publish("runbeat.quarantine.bad_json", "{", given);
  if (round !== 2) return seq;
  return await publish("runbeat.quarantine.resolved", { seq: 1, action: "discarded", by: "me" });
}

async function publish(subject: string, body: unknown, given?: MsgHdrs): Promise<number> {
  const data = typeof body === "string" ? body : JSON.stringify(body);
  const ack = await jetstream(nc).publish(
    subject,
    data,
    given === undefined ? {} : { headers: given },
  );
  return ack.seq;
}

function folded(projection: string): number {
  const sql = "select seq from checkpoint where projection = ? and lane = 'main'";
  return (db.prepare(sql).pluck().get(projection) as number | undefined) ?? 0;
}

/** A time on the server's clock that no message shares with what comes later. */
async function settledTime(): Promise<number> {
  const at = Date.now() + 5;
  await waitFor(() => Date.now() > at + 20);
  return at;
}

/** Without what the question itself changes, and the projector's own clock. */
function lasting(body: unknown): unknown {
  const text = JSON.stringify(body, (key, value: unknown) =>
    ["next_cursor", "updated_at"].includes(key) ? undefined : value,
  );
  return JSON.parse(text);
}

function momentOf(index: number): number {
  return answered[index]?.at ?? 0;
}

describe("a route that is asked with at", () => {
  test.each(ROUTES)("answers as it did then: %s", async (route) => {
    for (const { at, answers } of answered) {
      const given = new Date(at).toISOString();
      const { status, body } = await api.ask(
        `${route}${route.includes("?") ? "&" : "?"}at=${given}`,
      );
      expect(status).toBe(200);
      expect(lasting(body)).toEqual(answers.get(route));
    }
    expect(
      new Set([...answered].map(({ answers }) => JSON.stringify(answers.get(route)))).size,
    ).toBeGreaterThan(1);
    api.assertNoFaults();
  });

  test("keeps to its moment over all pages", async () => {
    const at = momentOf(1);
    const first = await api.ask(`/api/v1/runners?limit=2&sort=runner&at=${at}`);
    const cursor = String(first.body.next_cursor);
    const second = await api.ask(`/api/v1/runners?limit=2&sort=runner&at=${at}&cursor=${cursor}`);
    expect([...first.body.items, ...second.body.items]).toHaveLength(3);
    expect(second.body.as_of.time).toBe(new Date(at).toISOString());
    const other = await api.ask(`/api/v1/runners?limit=2&sort=runner&cursor=${cursor}`);
    expect(other).toMatchObject({ status: 400, body: { code: "invalid_cursor" } });
  });

  test("says so where the moment has not come yet, and where nothing is known of it", async () => {
    const later = await api.ask("/api/v1/summary?at=2999-01-01T00:00:00Z");
    expect(later).toMatchObject({ status: 400, body: { code: "invalid" } });
    expect(later.body.detail).toMatch(/has not come yet/);
    const before = await api.ask("/api/v1/summary?at=1999-01-01T00:00:00Z");
    expect(before).toMatchObject({ status: 404, body: { code: "not_found" } });
    expect(before.body.detail).toMatch(/it is known what was from 20.* on/);
    const wrong = await api.ask("/api/v1/summary?at=yesterday");
    expect(wrong).toMatchObject({ status: 400, body: { code: "invalid_parameter" } });
  });

  test("shares the work among those who ask for one moment at a time", async () => {
    let opened = 0;
    const counted = new PastStates({
      locate: async (at) => await locateMoment({ ...shared(), at }),
      open: async (moment) => {
        opened += 1;
        return await openLocated({ ...shared(), at: moment.at }, moment);
      },
    });
    const at = momentOf(2);
    const totals = await Promise.all(
      Array.from(
        { length: 10 },
        async () => await counted.use(at, ({ models: then, moment }) => then.summary(moment).total),
      ),
    );
    expect(totals).toEqual(Array(10).fill(3));
    expect(opened).toBe(1);
    await counted.close();
  });
});

function shared() {
  return { nc, prefixes: DEFAULT_PREFIXES, projections, thresholds: DEFAULT_THRESHOLDS };
}
