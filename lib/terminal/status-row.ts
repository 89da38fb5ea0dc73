/** One runner as a row of the status table. */
import type { CameraState, Health } from "../core/heartbeat.ts";
import type { Status } from "../core/status.ts";
import { ageText, clockText, runtimeText } from "./duration.ts";
import { healthText, paint, statusText } from "./style.ts";
import type { TerminalLooks } from "./style.ts";
import { harmless } from "./table.ts";

/** What the table shows of a runner: a part of what the read API answers for it. */
export interface ShownRunner {
  readonly runner: string;
  readonly status: Status;
  readonly cause: string;
  readonly health: Health | null;
  readonly paused: boolean;
  readonly retired: boolean;
  readonly managed: boolean;
  readonly duplicate: boolean;
  readonly last_heartbeat_at: string | null;
  readonly age_ms: number | null;
  readonly last_error: string;
  readonly process: ShownProcess | null;
  readonly heartbeat: ShownHeartbeat | null;
  readonly restart: ShownRestart;
  /** What the fleet file says of it; null where it says nothing. */
  readonly desired: object | null;
}

export interface ShownProcess {
  readonly host: string;
  readonly pid: number;
  readonly started_at: string | null;
  readonly state: string;
  readonly restarts: number;
  readonly exit_code: number | null;
  readonly signal: string | null;
}

export interface ShownHeartbeat {
  readonly fps: number | null;
  readonly camera_state: CameraState | null;
}

export interface ShownRestart {
  readonly attempt_count: number;
  readonly last_failure_reason: string | null;
  readonly cooldown_until: string | null;
}

const ENDED_STATES = ["exited", "killed", "lost"];
/** Stands in a cell where there is nothing to say. */
export const NOTHING = "-";

/** The cells of a row and, apart from them, what else there is to say about the runner. */
export interface StatusRow {
  readonly process: string;
  readonly host: string;
  readonly status: string;
  readonly pid: string;
  readonly runtime: string;
  readonly lastSeen: string;
  readonly heartbeat: string;
  readonly restarts: string;
  readonly note: string;
}

/** @param nowMs the time of the answer, epoch ms. */
export function statusRow(runner: ShownRunner, nowMs: number, looks: TerminalLooks): StatusRow {
  const { process } = runner;
  return {
    process: harmless(runner.runner),
    host: process === null ? NOTHING : harmless(process.host),
    status: statusText(runner.status, looks),
    pid: process === null ? NOTHING : String(process.pid),
    runtime: runtime(process, nowMs),
    lastSeen: lastSeen(runner, nowMs),
    heartbeat: heartbeatCell(runner, looks),
    restarts: process === null ? NOTHING : String(process.restarts),
    note: notes(runner, nowMs).join("; "),
  };
}

function runtime(process: ShownProcess | null, nowMs: number): string {
  if (process === null || process.started_at === null || ENDED_STATES.includes(process.state))
    return NOTHING;
  return runtimeText(nowMs - Date.parse(process.started_at));
}

function lastSeen({ last_heartbeat_at: at }: ShownRunner, nowMs: number): string {
  return at === null ? NOTHING : clockText(Date.parse(at), nowMs);
}

function heartbeatCell(runner: ShownRunner, looks: TerminalLooks): string {
  if (runner.age_ms === null) return paint("no heartbeat", "dim", looks);
  const parts = [ageText(runner.age_ms)];
  if (runner.health !== null && runner.health !== "healthy")
    parts.push(healthText(runner.health, looks));
  const camera = runner.heartbeat?.camera_state ?? "healthy";
  if (camera !== "healthy" && camera !== runner.health) parts.push(camera);
  const fps = runner.heartbeat?.fps ?? null;
  if (fps !== null) parts.push(`${fps.toFixed(1)} fps`);
  return parts.join(", ");
}

function notes(runner: ShownRunner, nowMs: number): string[] {
  const found = [
    runner.retired ? "retired" : "",
    runner.paused ? "paused" : "",
    runner.duplicate ? "two live processes" : "",
    ending(runner.process),
    runner.cause === "never_seen" ? "never seen" : "",
    cooldown(runner.restart, nowMs),
    harmless(runner.last_error),
  ];
  return found.filter((note) => note !== "");
}

function ending(process: ShownProcess | null): string {
  if (process === null || !ENDED_STATES.includes(process.state)) return "";
  if (process.signal !== null) return `${process.state} by ${harmless(process.signal)}`;
  if (process.exit_code !== null) return `exit code ${process.exit_code}`;
  return process.state;
}

function cooldown(restart: ShownRestart, nowMs: number): string {
  const until = restart.cooldown_until === null ? 0 : Date.parse(restart.cooldown_until);
  if (until > nowMs) return `no restart before ${clockText(until, nowMs)}`;
  return restart.attempt_count > 0 ? `restart attempt ${restart.attempt_count}` : "";
}
