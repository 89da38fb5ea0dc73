/** Puts together what is known of single runners: judged in memory, their figures read by key. */
import { hasDuplicate } from "../core/current-process.ts";
import type { CameraState } from "../core/heartbeat.ts";
import type { BeatFigures, Moment, RunnerView } from "../core/read-models.ts";
import { statusOf } from "../core/status.ts";
import type { SqliteDatabase } from "./open.ts";
import type { FleetRecord } from "./read-fleet-table.ts";
import { tableName } from "./lanes.ts";
import type { Lane } from "./lanes.ts";

/** Columns as an array: naming them would take longer than reading them. */
type FigureTuple = [
  ts: number | null,
  seq: number | null,
  fps: number | null,
  detected: number | null,
  matched: number | null,
  latencyMs: number | null,
  lastError: string,
  lastErrorAt: number | null,
  cameraState: CameraState | null,
  checks: string | null,
  metrics: string | null,
  resources: string | null,
  detail: string | null,
  heavyAt: number | null,
];

const FIGURE_COLUMNS =
  "ts, seq, fps, detected, matched, latency_ms, last_error, last_error_at, camera_state, " +
  "checks, metrics, resources, detail, heavy_at";

function figuresOf(row: FigureTuple): BeatFigures {
  return {
    ts: row[0],
    seq: row[1],
    fps: row[2],
    detected: row[3],
    matched: row[4],
    latency_ms: row[5],
    last_error: row[6],
    last_error_at: row[7],
    camera_state: row[8],
    checks: row[9],
    metrics: row[10],
    resources: row[11],
    detail: row[12],
    heavy_at: row[13],
  };
}

/** Reads the figures of a runner's newest heartbeat. */
export type FigureReader = (runner: string) => BeatFigures | undefined;

export function figureReader(db: SqliteDatabase, lane: Lane): FigureReader {
  const table = tableName("latest_heartbeat", lane);
  const one = db.prepare(`select ${FIGURE_COLUMNS} from ${table} where runner = ?`).raw();
  return (runner) => {
    const row = one.get(runner) as FigureTuple | undefined;
    return row === undefined ? undefined : figuresOf(row);
  };
}

/**
 * One runner at one moment. Its heartbeat is shown only while it is the current process's own: a
 * new process that has not beaten yet does not inherit the figures of the one before.
 */
export function runnerView(
  record: FleetRecord,
  readFigures: FigureReader,
  { now, view }: Moment,
): RunnerView {
  const { runner, current, beat, thresholds, liveness } = record;
  const figures = current?.isBeating === true ? readFigures(runner) : undefined;
  return {
    runner,
    status: statusOf(liveness, now, thresholds, view),
    duplicate: hasDuplicate(current, beat, now, thresholds),
    intervalSec: liveness.intervalSec,
    current,
    restarts: current?.announced?.before ?? 0,
    // Copies: the fleet in memory goes on.
    beat: figures === undefined || beat === undefined ? undefined : { ...beat },
    figures,
    restart: record.restart,
    declared: record.declared,
    liveness: { ...liveness },
    thresholds,
  };
}
