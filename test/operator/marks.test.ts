import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { startMarkKeeper } from "../../lib/operator/mark-keeper.ts";
import { openStateAt } from "../../lib/operator/state-at.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import type { Projector } from "../../lib/projector/projector.ts";
import { openPacked, packTables } from "../../lib/store/mark-image.ts";
import { openMarkStore, superfluous } from "../../lib/store/mark-store.ts";
import type { Mark, MarkStore } from "../../lib/store/mark-store.ts";
import { openDatabase } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { projections } from "../../projections/index.ts";
import { makeLog } from "../support/log-lines.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { plainFold, tablesOf } from "../support/plain-fold.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const RUNNERS = 10;
const EVERY = 60;
const BYTES = 50_000_000;
const HEARTBEATS = "RUNBEAT_HEARTBEATS";

const dir = makeTempDir("marks");
const databaseFile = join(dir, "runbeat.db");
const { log } = makeLog();
let nc: NatsConnection;
let jsm: JetStreamManager;
let db: SqliteDatabase;
let projector: Projector;

beforeAll(async () => {
  const server = await startNatsServer();
  nc = await connect({ servers: server.url });
  jsm = await jetstreamManager(nc);
  await makeStreams(nc);
  await beat(30);
  db = await openDatabase(databaseFile);
  projector = await startProjector({ nc, db, prefixes: DEFAULT_PREFIXES, projections, log });
  await projector.caughtUp;
});

afterAll(async () => {
  await projector.close();
  db.close();
  await nc.close();
});

let rounds = 0;

async function beat(count: number): Promise<void> {
  const js = jetstream(nc);
  for (let end = rounds + count; rounds < end; rounds++) {
    for (let runner = 0; runner < RUNNERS; runner++) {
      const body = { pid: 1, seq: rounds, metrics: { rounds } };
      await js.publish(`runbeat.hb.camera.c${runner}.hd`, JSON.stringify(body));
    }
    const event = { v: 1, by: "test", host: "a", started_at: 1_000, pid: rounds, attempt: 1 };
    const subject = `runbeat.ev.camera.c${rounds % RUNNERS}.hd.process_spawned`;
    await js.publish(subject, JSON.stringify(event));
  }
}

function openMarks(name: string): MarkStore {
  return openMarkStore(join(dir, name), BYTES);
}

async function keep(marks: MarkStore) {
  return await startMarkKeeper({
    nc,
    prefixes: DEFAULT_PREFIXES,
    projections,
    databaseFile,
    marks,
    workDir: makeTempDir("marks-work"),
    log,
    everyMessages: EVERY,
  });
}

async function stateAt(at: number, marks?: MarkStore) {
  return await openStateAt({
    nc,
    prefixes: DEFAULT_PREFIXES,
    projections,
    thresholds: DEFAULT_THRESHOLDS,
    at,
    liveFile: databaseFile,
    marks,
  });
}

async function timeOf(seq: number): Promise<number> {
  const message = await jsm.streams.getMessage(HEARTBEATS, { seq });
  return Math.floor(message?.time.getTime() ?? 0);
}

async function lastSeq(): Promise<number> {
  return (await jsm.streams.info(HEARTBEATS)).state.last_seq;
}

/** The widest stretch without a mark. */
function widestGap(marks: readonly Mark[], end: number): number {
  const seqs = [0, ...marks.map(({ seq }) => seq).toReversed(), end];
  return Math.max(...seqs.map((seq, index) => seq - (seqs[index - 1] ?? 0)));
}

test("what is stored already gets its marks, and what comes gets them too", async () => {
  const marks = openMarks("kept.db");
  const keeper = await keep(marks);
  await waitFor(async () => widestGap(marks.list(), await lastSeq()) <= 2 * EVERY, {
    what: "marks all over what was stored",
  });
  const before = marks.list().length;
  await beat(10);
  await waitFor(async () => widestGap(marks.list(), await lastSeq()) <= 2 * EVERY, {
    what: "a mark of what came",
  });
  expect(marks.list().length).toBeGreaterThan(before);
  await keeper.close();
  marks.close();
});

test("from a mark on, every row is what a slow fold from the beginning gives", async () => {
  const marks = openMarks("kept.db");
  expect(marks.list().length).toBeGreaterThan(3);
  for (let seq = 5; seq < (await lastSeq()); seq += 37) {
    const at = await timeOf(seq);
    const state = await stateAt(at, marks);
    expect(tablesOf(state.db, projections)).toEqual(await plainFold(nc, jsm, projections, at));
    state.close();
  }
  marks.close();
});

test("a mark is what a state is folded from", async () => {
  const marks = openMarks("forged.db");
  const seq = await forge(marks, "update restart_state set last_failure_reason = 'forged'");
  const state = await stateAt(await timeOf(seq + 3), marks);
  const found = state.db.prepare(
    "select count(*) from restart_state where last_failure_reason = 'forged'",
  );
  expect(found.pluck().get()).toBe(RUNNERS);
  state.close();
  marks.close();
});

test("a mark whose messages are not those of the stream any more is dropped", async () => {
  const marks = openMarks("lost.db");
  const seq = await forge(
    marks,
    "update restart_state set last_failure_reason = 'forged'",
    (time) => time - 1,
  );
  const state = await stateAt(await timeOf(seq + 3), marks);
  const found = state.db.prepare(
    "select count(*) from restart_state where last_failure_reason = 'forged'",
  );
  expect(found.pluck().get()).toBe(0);
  expect(marks.list().map(({ seq: left }) => left)).not.toContain(seq);
  state.close();
  marks.close();
});

/** Copies a kept mark, changed. @returns its sequence. */
async function forge(
  into: MarkStore,
  sql: string,
  timeThen: (time: number) => number = (time) => time,
): Promise<number> {
  const kept = openMarks("kept.db");
  const mark = kept.list().at(2);
  const packed = mark === undefined ? undefined : kept.read(mark.id);
  if (mark === undefined || packed === undefined) throw new Error("there is no mark");
  const tables = await openPacked(packed);
  tables.exec(sql);
  const positions = mark.positions.map((one) => ({ ...one, time: timeThen(one.time) }));
  into.add(mark.seq, positions, await packTables(tables));
  tables.close();
  kept.close();
  return mark.seq;
}

test("marks that the streams have outlived are removed", async () => {
  const marks = openMarks("kept.db");
  const oldest = marks.list().at(-1)?.seq ?? 0;
  await jsm.streams.purge(HEARTBEATS, { seq: oldest + 10 });
  const keeper = await keep(marks);
  await waitFor(() => (marks.list().at(-1)?.seq ?? 0) > oldest);
  await keeper.close();
  marks.close();
});

test("with too many bytes the marks are thinned evenly, and the newest stays", () => {
  const marks = Array.from({ length: 9 }, (_, index) => ({
    id: 9 - index,
    seq: (9 - index) * 100,
    bytes: 10,
    positions: [],
  }));
  const gone = superfluous(marks, 50);
  expect(gone).toHaveLength(4);
  const left = marks.filter(({ id }) => !gone.includes(id)).map(({ seq }) => seq);
  expect(left[0]).toBe(900);
  expect(Math.max(...left.map((seq, index) => (left[index - 1] ?? seq) - seq))).toBeLessThan(400);
});
