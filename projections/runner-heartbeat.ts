import { runnerHeartbeatTable } from "../lib/store/tables.ts";
import type { RunnerHeartbeatRow } from "../lib/store/tables.ts";
import type { Projection } from "./projection.ts";

/** One row per snapshot: rate-limited history. */
export const runnerHeartbeat: Projection<"snapshots", RunnerHeartbeatRow> = {
  name: "runner_heartbeat",
  version: 1,
  stream: "snapshots",
  table: runnerHeartbeatTable,
  tellsStatus: false,
  appends: true,
  partlyKnown: { given: [], always: [], whenSaid: [] },
  key: (message) => String(message.seq),
  keyValues: (message) => [message.seq],
  evolve: (_row, { runner, snapshot, seq }) => ({
    runner: runner.runner,
    kind: runner.kind,
    name: runner.name,
    profile: runner.profile,
    stream_seq: seq,
    heartbeat_seq: snapshot.heartbeatSeq,
    ts: snapshot.ts,
    host: snapshot.heartbeat.host,
    pid: snapshot.heartbeat.pid,
    started_at: snapshot.heartbeat.startedAt,
    health: snapshot.heartbeat.health,
    fps: snapshot.heartbeat.fps,
    detected: snapshot.heartbeat.detected,
    matched: snapshot.heartbeat.matched,
    latency_ms: snapshot.heartbeat.latencyMs,
    last_error: snapshot.heartbeat.lastError,
    seq: snapshot.heartbeat.seq,
  }),
};
