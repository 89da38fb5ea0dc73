import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { decodeHeartbeatBody } from "../../lib/core/decode-heartbeat.ts";
import { decodeEvent } from "../../lib/core/event.ts";
import { Fold, takeBackRows } from "../../lib/projector/fold.ts";
import { UndoLog } from "../../lib/projector/undo-log.ts";
import { checkpointStore } from "../../lib/store/checkpoint.ts";
import { openDatabase } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { projections } from "../../projections/index.ts";
import type { EventMessage, HeartbeatMessage } from "../../projections/projection.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const RUNNERS = ["front", "back"].map((name) => ({
  runner: `camera/${name}/hd`,
  kind: "camera",
  name,
  profile: "hd",
}));
function runnerAt(index: number): (typeof RUNNERS)[number] {
  const runner = RUNNERS[index];
  if (runner === undefined) throw new Error(`there is no runner ${index}`);
  return runner;
}

const START = { stream: "S", streamCreated: "c", seq: 0, time: 0 };

const beat = fc.record({
  runner: fc.integer({ min: 0, max: 1 }),
  pid: fc.integer({ min: 1, max: 3 }),
  startedAt: fc.constantFrom(0, 1_000_000, 2_000_000),
  host: fc.constantFrom("a", "b", "unknown"),
  error: fc.constantFrom("", "", "Connection refused"),
  isHeavy: fc.boolean(),
  gapMs: fc.constantFrom(0, 1, 10_000, 700_000),
});
type Beat = typeof beat extends fc.Arbitrary<infer T> ? T : never;

const EVENT_TYPES = [
  "process_spawned",
  "process_adopted",
  "process_stopping",
  "process_exited",
  "process_lost",
  "restart_scheduled",
  "restart_exhausted",
  "restart_reset",
  "runner_paused",
  "runner_resumed",
  "runner_retired",
  "worker_registered",
  "a_type_of_the_future",
];

const happening = fc.record({
  runner: fc.integer({ min: 0, max: 1 }),
  type: fc.constantFrom(...EVENT_TYPES),
  pid: fc.integer({ min: 1, max: 3 }),
  attempt: fc.integer({ min: 0, max: 3 }),
  signal: fc.constantFrom(null, "SIGKILL"),
});
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

function heartbeats(beats: readonly Beat[]): HeartbeatMessage[] {
  let time = 3_000_000;
  const memos: unknown[][] = [[], []];
  return beats.map((given, index) => {
    time += given.gapMs;
    const runner = runnerAt(given.runner);
    const decoded = decodeHeartbeatBody(runner.runner, {
      pid: given.pid,
      host: given.host,
      ...(given.startedAt === 0 ? {} : { started_at: given.startedAt }),
      last_error: given.error,
      ...(given.isHeavy ? { metrics: { index } } : {}),
      seq: index,
    });
    if (!decoded.ok) throw new Error(decoded.rejection.message);
    const { heartbeat } = decoded;
    const processKey = `${runner.runner}|${heartbeat.host}|${heartbeat.pid}|${heartbeat.startedAt}`;
    return { seq: index + 1, time, runner, processKey, memo: memos[given.runner] ?? [], heartbeat };
  });
}

function events(happenings: readonly Happening[]): EventMessage[] {
  return happenings.map((given, index) => {
    const body = {
      v: 1,
      by: "test",
      host: "a",
      pid: given.pid,
      started_at: 1_000_000,
      attempt: given.attempt,
      reason: "exit",
      signal: given.signal,
      exit_code: given.signal === null ? 1 : null,
      cooldown_until: 9_000_000,
      argv: ["x"],
      env: { A: "1" },
    };
    const decoded = decodeEvent(given.type, Buffer.from(JSON.stringify(body)));
    if (!decoded.ok) throw new Error(decoded.rejection.message);
    const runner = runnerAt(given.runner);
    return { seq: index + 1, time: 3_000_000 + index, runner, event: decoded.event };
  });
}

const FOLDED = projections.filter(({ stream }) => stream === "heartbeats" || stream === "events");

type UndoLogs = ReadonlyMap<string, UndoLog>;

/** Small ones give rows back to be written over, which the large ones do after 10,000 rows only. */
const newLogs = (maxRows?: number): UndoLogs =>
  new Map(FOLDED.map(({ name }) => [name, new UndoLog(maxRows)]));

function begin(db: SqliteDatabase, logs: UndoLogs): Fold[] {
  return FOLDED.map((projection) => {
    const fold = new Fold(db, projection, "main", START, logs.get(projection.name));
    checkpointStore(db).reset(fold.checkpoint, START, null);
    return fold;
  });
}

/** As after a crash: nothing in memory, positions from the database. */
function reopen(db: SqliteDatabase, logs: UndoLogs): Fold[] {
  return FOLDED.map((projection) => {
    const { name, version } = projection;
    const key = { projection: name, version, partition: 0, lane: "main" } as const;
    const row = checkpointStore(db).read(key);
    const position = { ...START, seq: row?.seq ?? 0, time: row?.time ?? 0 };
    return new Fold(db, projection, "main", position, logs.get(name));
  });
}

/** As where the end of a stream was lost: goes back by half of what can be taken back. */
function takeBack(db: SqliteDatabase, folds: readonly Fold[], logs: UndoLogs): void {
  for (const { projection, position, checkpoint } of folds) {
    const log = logs.get(projection.name);
    const positions = log?.positionsBefore(position) ?? [];
    const earlier = positions[Math.floor(positions.length / 2)];
    if (earlier === undefined || log === undefined) continue;
    takeBackRows(db, projection, log.takeBack(earlier));
    checkpointStore(db).reset(checkpoint, earlier, null);
  }
}

function commit(db: SqliteDatabase, folds: readonly Fold[]): void {
  const checkpoints = checkpointStore(db);
  db.transaction(() => {
    for (const fold of folds) expect(fold.write(checkpoints)).toBe(true);
  })();
  for (const fold of folds) fold.settle();
}

function dump(db: SqliteDatabase): unknown {
  const all = (name: string, order: string) =>
    db.prepare(`select * from ${name} order by ${order}`).all();
  return {
    latest: all("latest_heartbeat", "runner"),
    processes: all("running_process", "runner, host, pid, started_at"),
    restart: all("restart_state", "runner"),
    timeline: all("timeline", "stream_seq"),
  };
}

const step = fc.constantFrom("heartbeat", "heartbeat", "event", "commit", "crash", "lost tail");
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take(
  folds: readonly Fold[],
  stream: string,
  message: HeartbeatMessage | EventMessage | undefined,
): void {
  if (message === undefined) return;
  for (const fold of folds) {
    if (fold.projection.stream === stream) fold.take(message, message.seq, message.time);
  }
}

/** Folds both streams in the order that the steps say; a crash loses what was not committed. */
function foldBySteps(
  db: SqliteDatabase,
  beats: readonly HeartbeatMessage[],
  happened: readonly EventMessage[],
  steps: readonly Step[],
): void {
  const logs = newLogs(steps.length % 2 === 0 ? 3 : undefined);
  let folds = begin(db, logs);
  const stands = (stream: string) =>
    folds.find(({ projection }) => projection.stream === stream)?.position.seq ?? 0;
  const count = (messages: readonly { readonly seq: number }[], stream: string) =>
    messages.filter(({ seq }) => seq <= stands(stream)).length;
  let at = { heartbeat: 0, event: 0 };
  let safe = at;
  for (const next of steps) {
    if (next === "heartbeat") {
      take(folds, "heartbeats", beats[at.heartbeat]);
      at = { ...at, heartbeat: at.heartbeat + 1 };
    } else if (next === "event") {
      take(folds, "events", happened[at.event]);
      at = { ...at, event: at.event + 1 };
    } else if (next === "commit") {
      commit(db, folds);
      safe = at;
    } else {
      folds = reopen(db, logs);
      if (next === "lost tail") {
        takeBack(db, folds, logs);
        folds = reopen(db, logs);
        safe = { heartbeat: count(beats, "heartbeats"), event: count(happened, "events") };
      }
      at = safe;
    }
  }
  for (const message of beats.slice(at.heartbeat)) take(folds, "heartbeats", message);
  for (const message of happened.slice(at.event)) take(folds, "events", message);
  commit(db, folds);
}

describe("folding", () => {
  let straight: SqliteDatabase;
  let mixed: SqliteDatabase;

  beforeEach(async () => {
    const dir = makeTempDir("folds");
    straight = await openDatabase(join(dir, "straight.db"));
    mixed = await openDatabase(join(dir, "mixed.db"));
    for (const db of [straight, mixed]) db.pragma("synchronous = OFF");
    return () => {
      straight.close();
      mixed.close();
    };
  });

  function clear(): void {
    const tables = ["process_heartbeat", "process_lifecycle", "latest_heartbeat", "restart_state"];
    for (const db of [straight, mixed]) {
      for (const table of [...tables, "timeline"]) db.exec(`delete from ${table}`);
    }
  }

  test("any interleaving, any split into batches, any crash and any lost tail give the same rows", () => {
    fc.assert(
      fc.property(
        fc.array(beat, { maxLength: 40 }),
        fc.array(happening, { maxLength: 25 }),
        fc.array(step, { maxLength: 120 }),
        (beats, happenings, steps) => {
          clear();
          foldBySteps(straight, heartbeats(beats), events(happenings), []);
          foldBySteps(mixed, heartbeats(beats), events(happenings), steps);
          expect(dump(mixed)).toEqual(dump(straight));
        },
      ),
      { numRuns: 150 },
    );
  });

  test("no fold changes the row that it was given", () => {
    const many = { maxLength: 20 };
    fc.assert(
      fc.property(fc.array(beat, many), fc.array(happening, many), (beats, happenings) => {
        for (const projection of FOLDED) {
          const messages = projection.stream === "events" ? events(happenings) : heartbeats(beats);
          const rows = new Map<string, object | undefined>();
          for (const message of messages) {
            const key = projection.key(message);
            if (key === undefined) continue;
            const before = rows.get(key);
            const copy = structuredClone(before);
            const after: object | undefined = projection.evolve(before, message);
            expect(before).toEqual(copy);
            // One that may change it comes to the same.
            expect(projection.evolve(copy, message, true)).toEqual(after);
            if (after !== undefined) rows.set(key, after);
          }
        }
      }),
    );
  });
});
