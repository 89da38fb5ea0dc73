import { isStopOrder } from "../lib/core/decide-orders.ts";
import type { RunnerEvent } from "../lib/core/event.ts";
import type { JsonObject } from "../lib/core/heartbeat.ts";
import { parseTime } from "../lib/core/time.ts";
import { restartStateTable } from "../lib/store/tables.ts";
import type { RestartStateRow } from "../lib/store/tables.ts";
import type { EventMessage, Projection } from "./projection.ts";

function untouched({ runner, seq }: EventMessage): RestartStateRow {
  return {
    runner: runner.runner,
    kind: runner.kind,
    name: runner.name,
    profile: runner.profile,
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
  };
}

function integer(value: unknown, otherwise: number): number {
  return Number.isSafeInteger(value) ? (value as number) : otherwise;
}

function instant(value: unknown): number | null {
  if (typeof value === "number" && Number.isFinite(value)) return Math.trunc(value);
  return typeof value === "string" ? (parseTime(value) ?? null) : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function object(value: unknown): JsonObject | null {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonObject) : null;
}

function registered(row: RestartStateRow, data: JsonObject, time: number): RestartStateRow {
  return {
    ...row,
    retired: 0,
    registered_at: row.registered_at ?? time,
    registered_host: text(data["host"]),
    registered_pid: Number.isSafeInteger(data["pid"]) ? (data["pid"] as number) : null,
    labels: object(data["labels"]),
  };
}

/** A first start, which is no restart of what failed, begins a new count. */
function spawned(row: RestartStateRow, data: JsonObject, time: number): RestartStateRow {
  const attempt = integer(data["attempt"], 0);
  const counted = attempt > 0 ? { attempt_count: attempt, last_attempt_at: time } : RESET;
  return { ...row, ...counted, retired: 0, spawn_count: row.spawn_count + 1 };
}

const RESET = {
  attempt_count: 0,
  last_attempt_at: null,
  last_failure_reason: null,
  cooldown_until: null,
} as const;

/** A stop holds until the next start, whatever else is reset. */
function stopOf(reason: unknown, row: RestartStateRow): string | null {
  if (isStopOrder(reason)) return reason;
  return isStopOrder(row.last_failure_reason) ? row.last_failure_reason : null;
}

function change(
  row: RestartStateRow,
  event: RunnerEvent,
  time: number,
): RestartStateRow | undefined {
  const { data } = event;
  switch (event.type) {
    case "worker_registered":
      return registered(row, data, time);
    case "process_spawned":
      return spawned(row, data, time);
    case "restart_scheduled":
      return {
        ...row,
        attempt_count: integer(data["attempt"], row.attempt_count),
        last_failure_reason: text(data["reason"]),
      };
    case "restart_exhausted":
      return {
        ...row,
        attempt_count: integer(data["attempt"], row.attempt_count),
        last_failure_reason: text(data["reason"]) ?? row.last_failure_reason,
        cooldown_until: instant(data["cooldown_until"]),
      };
    case "restart_reset":
      return { ...row, ...RESET, last_failure_reason: stopOf(data["reason"], row) };
    case "runner_paused":
      return { ...row, paused: 1 };
    case "runner_resumed":
      return { ...row, paused: 0, retired: 0 };
    case "runner_retired":
      return { ...row, retired: 1 };
    default:
      return undefined;
  }
}

/** One row per runner: attempts, cooldown, paused, retired, registration. */
export const restartState: Projection<"events", RestartStateRow> = {
  name: "restart_state",
  version: 3,
  stream: "events",
  table: restartStateTable,
  tellsStatus: true,
  appends: false,
  partlyKnown: {
    given: [],
    always: ["last_seq"],
    whenSaid: ["last_attempt_at", "last_failure_reason", "labels"],
  },
  key: (message) => message.runner.runner,
  keyValues: (message) => [message.runner.runner],
  evolve: (row, message) => {
    const after = change(row ?? untouched(message), message.event, message.time);
    return after === undefined ? undefined : { ...after, last_seq: message.seq };
  },
};
