import { UNKNOWN_HOST } from "../lib/core/heartbeat.ts";
import type { Heartbeat } from "../lib/core/heartbeat.ts";
import { latestHeartbeatTable } from "../lib/store/tables.ts";
import type { LatestHeartbeatRow } from "../lib/store/tables.ts";
import type { HeartbeatMessage, Projection } from "./projection.ts";

/** A pause of more than this many intervals ends a run of beating (`beating_since`). */
const PAUSE_INTERVALS = 1.5;
const DEFAULT_INTERVAL_SEC = 10;
/**
 * An older process without a start time that was silent for this long and beats again is taken
 * for a new process with a reused PID.
 */
const PID_REUSE_SILENCE_MS = 10 * 60_000;
/** Older processes without a start time that are remembered per runner. */
const MAX_SUPERSEDED = 8;

interface Superseded {
  readonly host: string;
  readonly pid: number;
  readonly lastAt: number;
}

function hostsAgree(a: string, b: string): boolean {
  return a === b || a === UNKNOWN_HOST || b === UNKNOWN_HOST;
}

function isSameProcess(row: LatestHeartbeatRow, heartbeat: Heartbeat): boolean {
  return (
    row.pid === heartbeat.pid &&
    (row.started_at === heartbeat.startedAt || row.started_at === 0 || heartbeat.startedAt === 0) &&
    hostsAgree(row.host, heartbeat.host)
  );
}

/** How far the runner's clock is ahead of the stream's; 0 where it does not say. */
function clockOffset({ heartbeat, time }: HeartbeatMessage): number {
  return heartbeat.ts === null ? 0 : heartbeat.ts - time;
}

function supersededOf(row: LatestHeartbeatRow): Superseded[] {
  return row.superseded === null ? [] : (JSON.parse(row.superseded) as Superseded[]);
}

/**
 * Whether the message comes from a process older than the row's. Start times of one host are
 * compared as they are, those of two hosts corrected by each host's clock offset, so that skew
 * can't make a dead process look newer than a live one.
 */
function isOlder(row: LatestHeartbeatRow, message: HeartbeatMessage): boolean {
  const { heartbeat, time } = message;
  if (heartbeat.startedAt === 0) {
    return supersededOf(row).some(
      (old) =>
        old.pid === heartbeat.pid &&
        hostsAgree(old.host, heartbeat.host) &&
        time - old.lastAt <= PID_REUSE_SILENCE_MS,
    );
  }
  if (row.started_at === 0)
    return heartbeat.startedAt - clockOffset(message) < row.process_first_at;
  const started = hostsAgree(row.host, heartbeat.host)
    ? [heartbeat.startedAt, row.started_at]
    : [heartbeat.startedAt - clockOffset(message), row.started_at - row.clock_offset_ms];
  const [theirs = 0, ours = 0] = started;
  return theirs === ours ? heartbeat.pid < row.pid : theirs < ours;
}

/** Remembers a process without a start time as an older one. */
function superseding(row: LatestHeartbeatRow, process: Superseded): string {
  const others = supersededOf(row).filter(
    (old) => !(old.pid === process.pid && old.host === process.host),
  );
  return JSON.stringify([...others, process].slice(-MAX_SUPERSEDED));
}

/** The runner's first process, or one that takes over from an older one. */
function begin(row: LatestHeartbeatRow | undefined, message: HeartbeatMessage): LatestHeartbeatRow {
  const { runner, heartbeat, seq, time } = message;
  const isHeavy = hasHeavyPart(heartbeat);
  const old =
    row === undefined ? undefined : { host: row.host, pid: row.pid, lastAt: row.last_heartbeat_at };
  return {
    runner: runner.runner,
    kind: runner.kind,
    name: runner.name,
    profile: runner.profile,
    host: heartbeat.host,
    pid: heartbeat.pid,
    started_at: heartbeat.startedAt,
    clock_offset_ms: clockOffset(message),
    process_first_at: time,
    beating_since: time,
    last_heartbeat_at: time,
    ts: heartbeat.ts,
    seq: heartbeat.seq,
    interval_sec: heartbeat.intervalSec,
    health: heartbeat.health,
    fps: heartbeat.fps,
    detected: heartbeat.detected,
    matched: heartbeat.matched,
    latency_ms: heartbeat.latencyMs,
    last_error: heartbeat.lastError,
    last_error_at: heartbeat.lastError === "" ? null : time,
    camera_state: heartbeat.cameraState,
    checks: heartbeat.checks,
    metrics: heartbeat.metrics,
    labels: heartbeat.labels,
    resources: heartbeat.resources,
    detail: heartbeat.detail,
    heavy_at: isHeavy ? time : null,
    heavy_seq: isHeavy ? seq : null,
    rival_at: row?.last_heartbeat_at ?? null,
    rival_host: row?.host ?? null,
    rival_pid: row?.pid ?? null,
    rival_started_at: row?.started_at ?? null,
    superseded:
      row === undefined || old === undefined
        ? null
        : row.started_at === 0
          ? superseding(row, old)
          : row.superseded,
    first_seq: row?.first_seq ?? seq,
    last_seq: seq,
  };
}

function hasHeavyPart(heartbeat: Heartbeat): boolean {
  return (
    heartbeat.checks !== null ||
    heartbeat.metrics !== null ||
    heartbeat.labels !== null ||
    heartbeat.resources !== null ||
    heartbeat.detail !== null
  );
}

function isPause(row: LatestHeartbeatRow, message: HeartbeatMessage): boolean {
  const interval = Math.max(row.interval_sec ?? DEFAULT_INTERVAL_SEC, DEFAULT_INTERVAL_SEC);
  return message.time - row.last_heartbeat_at > PAUSE_INTERVALS * interval * 1000;
}

/**
 * Another heartbeat of the current process, into a row of one's own; the heavy part last seen
 * stays, with its own age.
 */
function beat(row: LatestHeartbeatRow, message: HeartbeatMessage): LatestHeartbeatRow {
  const { heartbeat, seq, time } = message;
  if (row.host === UNKNOWN_HOST) row.host = heartbeat.host;
  if (row.started_at === 0) row.started_at = heartbeat.startedAt;
  // Before the heartbeat's own time and interval take the place of the last ones.
  if (isPause(row, message)) row.beating_since = time;
  row.last_heartbeat_at = time;
  row.ts = heartbeat.ts;
  row.seq = heartbeat.seq;
  row.interval_sec = heartbeat.intervalSec ?? row.interval_sec;
  row.health = heartbeat.health;
  row.fps = heartbeat.fps;
  row.detected = heartbeat.detected;
  row.matched = heartbeat.matched;
  row.latency_ms = heartbeat.latencyMs;
  row.last_error = heartbeat.lastError;
  if (heartbeat.lastError !== "") row.last_error_at = time;
  row.camera_state = heartbeat.cameraState;
  row.last_seq = seq;
  if (!hasHeavyPart(heartbeat)) return row;
  row.checks = heartbeat.checks ?? row.checks;
  row.metrics = heartbeat.metrics ?? row.metrics;
  row.labels = heartbeat.labels ?? row.labels;
  row.resources = heartbeat.resources ?? row.resources;
  row.detail = heartbeat.detail ?? row.detail;
  row.heavy_at = time;
  row.heavy_seq = seq;
  return row;
}

/** A heartbeat of an older process: it shows that there are two, and changes nothing else. */
function rival(row: LatestHeartbeatRow, message: HeartbeatMessage): LatestHeartbeatRow {
  const { heartbeat, seq, time } = message;
  const old = { host: heartbeat.host, pid: heartbeat.pid, lastAt: time };
  return {
    ...row,
    rival_at: time,
    rival_host: heartbeat.host,
    rival_pid: heartbeat.pid,
    rival_started_at: heartbeat.startedAt,
    superseded: heartbeat.startedAt === 0 ? superseding(row, old) : row.superseded,
    last_seq: seq,
  };
}

/** One row per runner: the newest heartbeat of its current process. */
export const latestHeartbeat: Projection<"heartbeats", LatestHeartbeatRow> = {
  name: "latest_heartbeat",
  version: 1,
  stream: "heartbeats",
  table: latestHeartbeatTable,
  tellsStatus: true,
  appends: false,
  partlyKnown: {
    given: ["pid", "started_at", "host"],
    always: [
      "last_heartbeat_at",
      "ts",
      "seq",
      "health",
      "fps",
      "detected",
      "matched",
      "latency_ms",
      "last_error",
      "camera_state",
      "last_seq",
    ],
    whenSaid: [
      "last_error_at",
      "interval_sec",
      "checks",
      "metrics",
      "labels",
      "resources",
      "detail",
      "heavy_at",
      "heavy_seq",
    ],
  },
  key: (message) => message.runner.runner,
  keyValues: (message) => [message.runner.runner],
  evolve: (row, message, isOurs) => {
    if (row === undefined) return begin(undefined, message);
    if (isSameProcess(row, message.heartbeat))
      return beat(isOurs === true ? row : { ...row }, message);
    return isOlder(row, message) ? rival(row, message) : begin(row, message);
  },
};
