/** A real database file with rows as the projector writes them, for tests of readers. */
import { join } from "node:path";
import { openDatabase } from "../../lib/store/open.ts";
import type { SqliteDatabase } from "../../lib/store/open.ts";
import { WHOLE, rowStore } from "../../lib/store/row-store.ts";
import {
  latestHeartbeatTable,
  processHeartbeatTable,
  processLifecycleTable,
  quarantineTable,
  restartStateTable,
  runnerHeartbeatTable,
  timelineTable,
} from "../../lib/store/tables.ts";
import type { Lane } from "../../lib/store/lanes.ts";
import type {
  CheckpointRow,
  LatestHeartbeatRow,
  ProcessHeartbeatRow,
  ProcessLifecycleRow,
  QuarantineRow,
  RestartStateRow,
  RunnerColumns,
  RunnerHeartbeatRow,
  TimelineRow,
} from "../../lib/store/tables.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** The moment that the fixtures are about, epoch ms. */
export const T = 1_700_000_000_000;

type Given<Row> = Partial<Row> & { runner: string };

export function runnerColumns(runner: string): RunnerColumns {
  const [kind = "", name = "", profile = ""] = runner.split("/");
  return { runner, kind, name, profile };
}

/** Writes rows as if they had been folded; `last_seq` rises by itself unless it is given. */
export interface ReadFixture {
  readonly file: string;
  readonly db: SqliteDatabase;
  beat(row: Given<LatestHeartbeatRow>, lane?: Lane): void;
  heard(row: Given<ProcessHeartbeatRow>, lane?: Lane): void;
  announced(row: Given<ProcessLifecycleRow>, lane?: Lane): void;
  restart(row: Given<RestartStateRow>, lane?: Lane): void;
  snapshot(row: Given<RunnerHeartbeatRow>): void;
  event(row: Given<TimelineRow>): void;
  rejected(row: Partial<QuarantineRow>): void;
  checkpoint(row: Partial<CheckpointRow> & { projection: string }): void;
  close(): void;
}

export async function readFixture(folder = makeTempDir("read")): Promise<ReadFixture> {
  const file = join(folder, "runbeat.db");
  const db = await openDatabase(file);
  let seq = 0;
  const next = (): number => (seq += 1);
  const store = <Row extends object>(table: Parameters<typeof rowStore<Row>>[1], lane: Lane) =>
    rowStore<Row>(db, table, lane);
  return {
    file,
    db,
    beat: (row, lane = "main") =>
      store(latestHeartbeatTable, lane).write(beatRow(row, next()), WHOLE),
    heard: (row, lane = "main") =>
      store(processHeartbeatTable, lane).write(heardRow(row, next()), WHOLE),
    announced: (row, lane = "main") =>
      store(processLifecycleTable, lane).write(announcedRow(row, next()), WHOLE),
    restart: (row, lane = "main") =>
      store(restartStateTable, lane).write(restartRow(row, next()), WHOLE),
    snapshot: (row) => store(runnerHeartbeatTable, "main").write(snapshotRow(row, next()), WHOLE),
    event: (row) => store(timelineTable, "main").write(eventRow(row, next()), WHOLE),
    rejected: (row) => store(quarantineTable, "main").write(rejectedRow(row, next()), WHOLE),
    checkpoint: (row) => writeCheckpoint(db, row),
    close: () => void db.close(),
  };
}

function beatRow(row: Given<LatestHeartbeatRow>, seq: number): LatestHeartbeatRow {
  return {
    ...runnerColumns(row.runner),
    host: "edge-1",
    pid: 100,
    started_at: T - 60_000,
    clock_offset_ms: 0,
    process_first_at: T - 59_000,
    beating_since: T - 59_000,
    last_heartbeat_at: T - 1_000,
    ts: T - 1_003,
    seq: 6,
    interval_sec: 10,
    health: "healthy",
    fps: 24.9,
    detected: 2,
    matched: 1,
    latency_ms: 18.2,
    last_error: "",
    last_error_at: null,
    camera_state: "healthy",
    checks: null,
    metrics: null,
    labels: null,
    resources: null,
    detail: null,
    heavy_at: null,
    heavy_seq: null,
    rival_at: null,
    rival_host: null,
    rival_pid: null,
    rival_started_at: null,
    superseded: null,
    first_seq: seq,
    last_seq: seq,
    ...row,
  };
}

function heardRow(row: Given<ProcessHeartbeatRow>, seq: number): ProcessHeartbeatRow {
  return {
    ...runnerColumns(row.runner),
    host: "edge-1",
    pid: 100,
    started_at: T - 60_000,
    first_heartbeat_at: T - 59_000,
    last_heartbeat_at: T - 1_000,
    last_error: "",
    last_error_at: null,
    interval_sec: 10,
    heartbeat_count: 6,
    first_seq: seq,
    last_seq: seq,
    ...row,
  };
}

function announcedRow(row: Given<ProcessLifecycleRow>, seq: number): ProcessLifecycleRow {
  return {
    ...runnerColumns(row.runner),
    host: "edge-1",
    pid: 100,
    started_at: T - 60_000,
    state: "starting",
    effective_args: null,
    effective_env: null,
    attempt: 0,
    announced_at: T - 59_900,
    exit_code: null,
    signal: null,
    ended_at: null,
    end_reason: null,
    first_seq: seq,
    last_seq: seq,
    ...row,
  };
}

function restartRow(row: Given<RestartStateRow>, seq: number): RestartStateRow {
  return {
    ...runnerColumns(row.runner),
    attempt_count: 0,
    last_attempt_at: null,
    last_failure_reason: null,
    cooldown_until: null,
    paused: 0,
    retired: 0,
    registered_at: null,
    registered_host: null,
    registered_pid: null,
    labels: null,
    spawn_count: 0,
    first_seq: seq,
    last_seq: seq,
    ...row,
  };
}

function snapshotRow(row: Given<RunnerHeartbeatRow>, seq: number): RunnerHeartbeatRow {
  return {
    ...runnerColumns(row.runner),
    stream_seq: seq,
    heartbeat_seq: seq,
    ts: T,
    host: "edge-1",
    pid: 100,
    started_at: T - 60_000,
    health: "healthy",
    fps: 25,
    detected: 2,
    matched: 1,
    latency_ms: 18,
    last_error: "",
    seq,
    ...row,
  };
}

function eventRow(row: Given<TimelineRow>, seq: number): TimelineRow {
  return {
    ...runnerColumns(row.runner),
    stream_seq: seq,
    time: T + seq,
    type: "camera_online",
    by: "enforcer@edge-1",
    at: T + seq,
    data: {},
    ...row,
  };
}

function rejectedRow(row: Partial<QuarantineRow>, seq: number): QuarantineRow {
  return {
    stream_seq: seq,
    time: T + seq,
    reason: "bad_json",
    source_stream: "RUNBEAT_HEARTBEATS",
    source_seq: seq,
    subject: "runbeat.hb.camera.front.hd",
    bytes: 3,
    payload: Buffer.from("{{{").toString("base64"),
    message: "the body is not JSON",
    state: "open",
    resolved_by: null,
    resolved_at: null,
    ...row,
  };
}

function writeCheckpoint(
  db: SqliteDatabase,
  row: Partial<CheckpointRow> & { projection: string },
): void {
  const full: CheckpointRow = {
    version: 1,
    partition: 0,
    lane: "main",
    stream: "RUNBEAT_HEARTBEATS",
    stream_created: "2023-11-14T00:00:00Z",
    seq: 1,
    time: T,
    state: "running",
    error: null,
    error_seq: null,
    notice: null,
    notice_at: null,
    updated_at: T,
    generation: 0,
    ...row,
  };
  const columns = Object.keys(full);
  const values = columns.map((column) => `@${column}`);
  db.prepare(
    `insert or replace into checkpoint (${columns.join(", ")}) values (${values.join(", ")})`,
  ).run(full);
}
