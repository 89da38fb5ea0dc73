/** The read models' tables: row types, keys and columns. Times are epoch ms unless a name says so. */
import type { CameraState, Health, JsonObject } from "../core/heartbeat.ts";
import type { Lane } from "./lanes.ts";

/** A JSON column: an object until it is written, its text once it was. */
export type JsonColumn = JsonObject | string | null;

/** What every row of a runner begins with. */
export interface RunnerColumns {
  runner: string;
  kind: string;
  name: string;
  profile: string;
}

/** `first_seq` and `last_seq`: stream sequences of the first and last message folded into a row. */
export interface FoldedColumns {
  first_seq: number;
  last_seq: number;
}

/** One process as its heartbeats show it; the heartbeat half of `running_process`. */
export interface ProcessHeartbeatRow extends RunnerColumns, FoldedColumns {
  host: string;
  pid: number;
  /** 0 where the runner did not say. */
  started_at: number;
  first_heartbeat_at: number;
  last_heartbeat_at: number;
  last_error: string;
  last_error_at: number | null;
  interval_sec: number | null;
  heartbeat_count: number;
}

export type LifecycleState = "starting" | "running" | "stopping" | "exited" | "killed" | "lost";

/** One process as events announce it; the event half of `running_process`. */
export interface ProcessLifecycleRow extends RunnerColumns, FoldedColumns {
  host: string;
  pid: number;
  started_at: number;
  state: LifecycleState;
  effective_args: JsonColumn;
  effective_env: JsonColumn;
  attempt: number;
  /** Stream time of the event that announced it: spawned, adopted, or whatever came first. */
  announced_at: number;
  exit_code: number | null;
  signal: string | null;
  ended_at: number | null;
  end_reason: string | null;
}

/** The newest heartbeat of a runner's current process, the heavy part last seen merged in. */
export interface LatestHeartbeatRow extends RunnerColumns, FoldedColumns {
  host: string;
  pid: number;
  started_at: number;
  /** `ts` minus stream time when the process was first seen: orders starts across hosts. */
  clock_offset_ms: number;
  process_first_at: number;
  beating_since: number;
  last_heartbeat_at: number;
  ts: number | null;
  /** The runner's own counter. */
  seq: number | null;
  interval_sec: number | null;
  health: Health | null;
  fps: number | null;
  detected: number | null;
  matched: number | null;
  latency_ms: number | null;
  last_error: string;
  last_error_at: number | null;
  camera_state: CameraState | null;
  checks: JsonColumn;
  metrics: JsonColumn;
  labels: JsonColumn;
  resources: JsonColumn;
  detail: JsonColumn;
  heavy_at: number | null;
  heavy_seq: number | null;
  /** The last heartbeat that came from another, older process of this runner. */
  rival_at: number | null;
  rival_host: string | null;
  rival_pid: number | null;
  rival_started_at: number | null;
  /** JSON list of older processes that gave no start time; see the fold. */
  superseded: string | null;
}

/** What the enforcer has decided for a runner. */
export interface RestartStateRow extends RunnerColumns, FoldedColumns {
  attempt_count: number;
  last_attempt_at: number | null;
  last_failure_reason: string | null;
  cooldown_until: number | null;
  paused: 0 | 1;
  retired: 0 | 1;
  registered_at: number | null;
  registered_host: string | null;
  registered_pid: number | null;
  labels: JsonColumn;
  /** How many processes were spawned for it. */
  spawn_count: number;
}

/** One snapshot of history. */
export interface RunnerHeartbeatRow extends RunnerColumns {
  /** Sequence in the SNAPSHOTS stream. */
  stream_seq: number;
  /** Sequence of the heartbeat that was kept. */
  heartbeat_seq: number;
  /** Stream time of that heartbeat. */
  ts: number;
  host: string;
  pid: number;
  started_at: number;
  health: Health | null;
  fps: number | null;
  detected: number | null;
  matched: number | null;
  latency_ms: number | null;
  last_error: string;
  seq: number | null;
}

export interface TimelineRow extends RunnerColumns {
  stream_seq: number;
  time: number;
  type: string;
  by: string;
  at: number | null;
  data: JsonColumn;
}

export interface QuarantineRow {
  stream_seq: number;
  time: number;
  reason: string;
  /** Stream and sequence that the message was rejected from. */
  source_stream: string;
  source_seq: number;
  subject: string;
  bytes: number;
  /** Base64 of the message as it was. */
  payload: string;
  message: string;
  state: "open" | "retried" | "discarded";
  resolved_by: string | null;
  resolved_at: number | null;
}

export interface CheckpointRow {
  projection: string;
  version: number;
  partition: number;
  lane: Lane;
  stream: string;
  /** The stream's creation time as the server writes it. */
  stream_created: string;
  /** Sequence of the last message folded. */
  seq: number;
  /** Stream time of that message. */
  time: number;
  state: "running" | "stopped";
  error: string | null;
  error_seq: number | null;
  /** What was last found amiss with the stream and what was done about it, for people. */
  notice: string | null;
  notice_at: number | null;
  updated_at: number;
  /** Raised whenever the table is exchanged for another. */
  generation: number;
}

/** Values of a row's key columns, in the table's order. */
export type KeyValues = readonly (string | number)[];

/** A read model's table as the writer and `verify` see it. */
export interface TableShape<Row> {
  readonly name: string;
  readonly key: readonly (keyof Row & string)[];
  readonly columns: readonly (keyof Row & string)[];
  readonly json: readonly (keyof Row & string)[];
  /**
   * Columns that change with nearly every message, and those that change now and then. Where no
   * other column changed, only these are written, which is several times as fast as a whole row.
   */
  readonly often: readonly (keyof Row & string)[];
  readonly sometimes: readonly (keyof Row & string)[];
}

const RUNNER = ["runner", "kind", "name", "profile"] as const;
const FOLDED = ["first_seq", "last_seq"] as const;

export const processHeartbeatTable: TableShape<ProcessHeartbeatRow> = {
  name: "process_heartbeat",
  key: ["runner", "host", "pid", "started_at"],
  columns: [
    ...RUNNER,
    "host",
    "pid",
    "started_at",
    "first_heartbeat_at",
    "last_heartbeat_at",
    "last_error",
    "last_error_at",
    "interval_sec",
    "heartbeat_count",
    ...FOLDED,
  ],
  json: [],
  often: ["last_heartbeat_at", "heartbeat_count", "last_seq"],
  sometimes: ["last_error", "last_error_at", "interval_sec"],
};

export const processLifecycleTable: TableShape<ProcessLifecycleRow> = {
  name: "process_lifecycle",
  key: ["runner", "host", "pid", "started_at"],
  columns: [
    ...RUNNER,
    "host",
    "pid",
    "started_at",
    "state",
    "effective_args",
    "effective_env",
    "attempt",
    "announced_at",
    "exit_code",
    "signal",
    "ended_at",
    "end_reason",
    ...FOLDED,
  ],
  json: ["effective_args", "effective_env"],
  often: [],
  sometimes: [],
};

export const latestHeartbeatTable: TableShape<LatestHeartbeatRow> = {
  name: "latest_heartbeat",
  key: ["runner"],
  columns: [
    ...RUNNER,
    "host",
    "pid",
    "started_at",
    "clock_offset_ms",
    "process_first_at",
    "beating_since",
    "last_heartbeat_at",
    "ts",
    "seq",
    "interval_sec",
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
    "heavy_seq",
    "rival_at",
    "rival_host",
    "rival_pid",
    "rival_started_at",
    "superseded",
    ...FOLDED,
  ],
  json: ["checks", "metrics", "labels", "resources", "detail"],
  often: ["last_heartbeat_at", "ts", "seq", "fps", "detected", "matched", "latency_ms", "last_seq"],
  sometimes: [
    "health",
    "last_error",
    "last_error_at",
    "camera_state",
    "checks",
    "metrics",
    "labels",
    "resources",
    "detail",
    "heavy_at",
    "heavy_seq",
  ],
};

export const restartStateTable: TableShape<RestartStateRow> = {
  name: "restart_state",
  key: ["runner"],
  columns: [
    ...RUNNER,
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
    "spawn_count",
    ...FOLDED,
  ],
  json: ["labels"],
  often: [],
  sometimes: [],
};

export const runnerHeartbeatTable: TableShape<RunnerHeartbeatRow> = {
  name: "runner_heartbeat",
  key: ["stream_seq"],
  columns: [
    ...RUNNER,
    "stream_seq",
    "heartbeat_seq",
    "ts",
    "host",
    "pid",
    "started_at",
    "health",
    "fps",
    "detected",
    "matched",
    "latency_ms",
    "last_error",
    "seq",
  ],
  json: [],
  often: [],
  sometimes: [],
};

export const timelineTable: TableShape<TimelineRow> = {
  name: "timeline",
  key: ["stream_seq"],
  columns: [...RUNNER, "stream_seq", "time", "type", "by", "at", "data"],
  json: ["data"],
  often: [],
  sometimes: [],
};

export const quarantineTable: TableShape<QuarantineRow> = {
  name: "quarantine",
  key: ["stream_seq"],
  columns: [
    "stream_seq",
    "time",
    "reason",
    "source_stream",
    "source_seq",
    "subject",
    "bytes",
    "payload",
    "message",
    "state",
    "resolved_by",
    "resolved_at",
  ],
  json: [],
  often: [],
  sometimes: [],
};
