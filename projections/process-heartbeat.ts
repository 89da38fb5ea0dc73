import { processHeartbeatTable } from "../lib/store/tables.ts";
import type { ProcessHeartbeatRow } from "../lib/store/tables.ts";
import type { HeartbeatMessage, Projection } from "./projection.ts";

function first(message: HeartbeatMessage): ProcessHeartbeatRow {
  const { runner, heartbeat, seq, time } = message;
  return {
    runner: runner.runner,
    kind: runner.kind,
    name: runner.name,
    profile: runner.profile,
    host: heartbeat.host,
    pid: heartbeat.pid,
    started_at: heartbeat.startedAt,
    first_heartbeat_at: time,
    last_heartbeat_at: time,
    last_error: heartbeat.lastError,
    last_error_at: heartbeat.lastError === "" ? null : time,
    interval_sec: heartbeat.intervalSec,
    heartbeat_count: 1,
    first_seq: seq,
    last_seq: seq,
  };
}

/** Another heartbeat of the process, into a row of one's own. */
function another(row: ProcessHeartbeatRow, message: HeartbeatMessage): ProcessHeartbeatRow {
  const { heartbeat, seq, time } = message;
  row.last_heartbeat_at = time;
  row.last_error = heartbeat.lastError;
  if (heartbeat.lastError !== "") row.last_error_at = time;
  row.interval_sec = heartbeat.intervalSec ?? row.interval_sec;
  row.heartbeat_count += 1;
  row.last_seq = seq;
  return row;
}

/** One row per process that beats: the heartbeat half of `running_process`. */
export const processHeartbeat: Projection<"heartbeats", ProcessHeartbeatRow> = {
  name: "process_heartbeat",
  version: 1,
  stream: "heartbeats",
  table: processHeartbeatTable,
  tellsStatus: true,
  appends: false,
  partlyKnown: {
    given: [],
    always: ["last_heartbeat_at", "last_error", "last_seq"],
    whenSaid: ["last_error_at", "interval_sec"],
  },
  key: (message) => message.processKey,
  keyValues: ({ runner, heartbeat }) => [
    runner.runner,
    heartbeat.host,
    heartbeat.pid,
    heartbeat.startedAt,
  ],
  evolve: (row, message, isOurs) =>
    row === undefined ? first(message) : another(isOurs === true ? row : { ...row }, message),
};
