/** Puts together what is known of single runners: judged in memory, their rows read by key. */
import { hasDuplicate } from "../core/current-process.ts";
import type { BeatRow, Moment, RestartRow, RunnerView } from "../core/read-models.ts";
import { statusOf } from "../core/status.ts";
import type { SqliteDatabase } from "./open.ts";
import type { FleetRecord } from "./read-fleet-table.ts";
import { tableName } from "./tables.ts";
import type { Lane } from "./tables.ts";

const BEAT_COLUMNS: readonly (keyof BeatRow | "last_seq")[] = [
  "host",
  "pid",
  "started_at",
  "clock_offset_ms",
  "process_first_at",
  "beating_since",
  "last_heartbeat_at",
  "interval_sec",
  "rival_at",
  "ts",
  "seq",
  "health",
  "fps",
  "detected",
  "matched",
  "latency_ms",
  "last_error",
  "last_error_at",
  "camera_state",
  "checks",
  "metrics",
  "labels",
  "resources",
  "detail",
  "heavy_at",
  "rival_host",
  "rival_pid",
  "rival_started_at",
  "last_seq",
];

const RESTART_COLUMNS: readonly (keyof RestartRow)[] = [
  "attempt_count",
  "last_attempt_at",
  "last_failure_reason",
  "cooldown_until",
  "paused",
  "retired",
  "registered_at",
  "registered_host",
  "registered_pid",
  "labels",
];

export interface RunnerRows {
  beat(runner: string): (BeatRow & { readonly last_seq: number }) | undefined;
  restart(runner: string): RestartRow | undefined;
}

export function runnerRows(db: SqliteDatabase, lane: Lane): RunnerRows {
  const beat = db.prepare(
    `select ${BEAT_COLUMNS.join(", ")} from ${tableName("latest_heartbeat", lane)} where runner = ?`,
  );
  const restart = db.prepare(
    `select ${RESTART_COLUMNS.join(", ")} from ${tableName("restart_state", lane)} where runner = ?`,
  );
  return {
    beat: (runner) => beat.get(runner) as ReturnType<RunnerRows["beat"]>,
    restart: (runner) => restart.get(runner) as RestartRow | undefined,
  };
}

/**
 * One runner at one moment. Its heartbeat is shown only while it is the current process's own: a
 * new process that has not beaten yet does not inherit the figures of the one before.
 */
export function runnerView(
  record: FleetRecord,
  rows: RunnerRows,
  { now, view }: Moment,
): RunnerView {
  const { runner, current, beat, thresholds, liveness } = record;
  return {
    runner,
    status: statusOf(liveness, now, thresholds, view),
    duplicate: hasDuplicate(current, beat, now, thresholds),
    intervalSec: liveness.intervalSec,
    current,
    restarts: current?.announced?.before ?? 0,
    beat: current?.isBeating === true ? rows.beat(runner) : undefined,
    restart: record.restart === undefined ? undefined : rows.restart(runner),
    declared: record.declared,
  };
}
