import type { ProcessIdentity, RunnerEvent } from "../lib/core/event.ts";
import { processLifecycleTable } from "../lib/store/tables.ts";
import type { LifecycleState, ProcessLifecycleRow } from "../lib/store/tables.ts";
import type { EventMessage, Projection } from "./projection.ts";

function announced(message: EventMessage, process: ProcessIdentity): ProcessLifecycleRow {
  const { runner, seq, time } = message;
  return {
    runner: runner.runner,
    kind: runner.kind,
    name: runner.name,
    profile: runner.profile,
    host: process.host,
    pid: process.pid,
    started_at: process.startedAt,
    state: "starting",
    effective_args: null,
    effective_env: null,
    attempt: 0,
    announced_at: time,
    exit_code: null,
    signal: null,
    ended_at: null,
    end_reason: null,
    first_seq: seq,
    last_seq: seq,
  };
}

function isEnded(state: LifecycleState): boolean {
  return state === "exited" || state === "killed" || state === "lost";
}

function integerOr(value: unknown, otherwise: number | null): number | null {
  return Number.isSafeInteger(value) ? (value as number) : otherwise;
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** A list or an object as JSON text; anything else is not kept. */
function jsonOrNull(value: unknown): string | null {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : null;
}

function exited(row: ProcessLifecycleRow, event: RunnerEvent, time: number): ProcessLifecycleRow {
  const signal = textOrNull(event.data["signal"]);
  return {
    ...row,
    state: signal === null ? "exited" : "killed",
    exit_code: integerOr(event.data["exit_code"], null),
    signal,
    ended_at: time,
    end_reason: textOrNull(event.data["reason"]),
  };
}

function change(row: ProcessLifecycleRow, event: RunnerEvent, time: number): ProcessLifecycleRow {
  switch (event.type) {
    case "process_spawned":
      return {
        ...row,
        effective_args: jsonOrNull(event.data["argv"]),
        effective_env: jsonOrNull(event.data["env"]),
        attempt: integerOr(event.data["attempt"], 0) ?? 0,
      };
    case "process_adopted":
      return isEnded(row.state) && row.state !== "lost"
        ? row
        : { ...row, state: "running", ended_at: null, end_reason: null };
    case "process_stopping":
      return isEnded(row.state) ? row : { ...row, state: "stopping" };
    case "process_exited":
      return exited(row, event, time);
    case "process_lost":
      if (row.state === "exited" || row.state === "killed") return row;
      return {
        ...row,
        state: "lost",
        ended_at: time,
        end_reason: textOrNull(event.data["reason"]),
      };
    default:
      return row;
  }
}

/** One row per process that events announce: the event half of `running_process`. */
export const processLifecycle: Projection<"events", ProcessLifecycleRow> = {
  name: "process_lifecycle",
  version: 1,
  stream: "events",
  table: processLifecycleTable,
  tellsStatus: true,
  appends: false,
  partlyKnown: {
    given: ["state"],
    always: ["last_seq"],
    whenSaid: ["exit_code", "signal", "ended_at", "end_reason", "effective_args", "effective_env"],
  },
  key: ({ runner, event: { process } }) =>
    process === null
      ? undefined
      : `${runner.runner}|${process.host}|${process.pid}|${process.startedAt}`,
  keyValues: ({ runner, event: { process } }) => [
    runner.runner,
    process?.host ?? "",
    process?.pid ?? 0,
    process?.startedAt ?? 0,
  ],
  evolve: (row, message) => {
    const { event, seq, time } = message;
    if (event.process === null) return undefined;
    const before = row ?? announced(message, event.process);
    return { ...change(before, event, time), last_seq: seq };
  },
};
