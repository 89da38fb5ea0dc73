/**
 * What an enforcer must remember of a runner, told from the events that it left: for hosts whose
 * enforcer can't be asked, and for moments long ago.
 */
import { newRunnerMemory } from "./decide-memory.ts";
import type { EnforcerMemory, RunnerMemory } from "./decide-memory.ts";
import { isStopOrder } from "./decide-orders.ts";
import { dataOf } from "./explain-events.ts";
import type { TimelineView } from "./read-models.ts";
import { parseTime } from "./time.ts";

/** What an enforcer's memory of a runner follows from. */
export const MEMORABLE = [
  "process_spawned",
  "process_adopted",
  "process_stopping",
  "process_exited",
  "process_lost",
  "restart_scheduled",
  "restart_exhausted",
  "restart_denied",
  "restart_reset",
  "runner_paused",
  "runner_resumed",
  "runner_retired",
  "runner_restart_requested",
  "limit_exceeded",
] as const;

/** @param events of one runner, oldest first. */
export function supposedRunner(driver: string, events: readonly TimelineView[]): RunnerMemory {
  // The count in the stream is ours, for it is from there that we have it.
  const memory = { ...newRunnerMemory(driver), isCountTold: true, hasBeaten: true };
  for (const event of events) take(memory, event);
  return memory;
}

function take(memory: RunnerMemory, event: TimelineView): void {
  const data = dataOf(event);
  const attempt = typeof data["attempt"] === "number" ? data["attempt"] : 0;
  const reason = typeof data["reason"] === "string" ? data["reason"] : "";
  switch (event.type) {
    case "process_spawned":
    case "process_adopted":
      Object.assign(memory, {
        plan: null,
        down: false,
        denied: false,
        stop: null,
        wish: "run",
        run: { since: event.time, from: event.time },
      });
      break;
    case "process_stopping":
      if (isStopOrder(reason)) Object.assign(memory, { wish: "stopped", plan: null });
      break;
    case "restart_reset":
      Object.assign(memory, { attempts: 0, plan: null, denied: false });
      if (isStopOrder(reason)) memory.wish = "stopped";
      break;
    case "process_exited":
    case "process_lost":
      memory.run = null;
      break;
    case "restart_scheduled": {
      const delaySec = typeof data["delay_sec"] === "number" ? data["delay_sec"] : 0;
      const at = event.time + delaySec * 1_000;
      memory.attempts = attempt;
      memory.plan = { at, attempt, reason, kind: "backoff", isOrder: false };
      break;
    }
    case "restart_exhausted": {
      const at = instant(data["cooldown_until"]) ?? event.time;
      memory.attempts = attempt;
      memory.plan = { at, attempt: 1, reason, kind: "cooldown", isOrder: false };
      break;
    }
    default:
      takeOrder(memory, event.type);
  }
}

function takeOrder(memory: RunnerMemory, type: string): void {
  if (type === "restart_denied") Object.assign(memory, { denied: true, down: memory.run === null });
  if (type === "runner_paused") memory.paused = true;
  if (type === "runner_resumed") memory.paused = false;
  if (type === "runner_retired") Object.assign(memory, { wish: "retired", plan: null });
  if (type === "runner_restart_requested") Object.assign(memory, { attempts: 0, wish: "run" });
}

function instant(value: unknown): number | null {
  if (typeof value === "number") return value;
  return typeof value === "string" ? (parseTime(value) ?? null) : null;
}

/** A memory that knows of one runner only. @param at when it is taken up, epoch ms. */
export function supposedMemory(runner: string, memory: RunnerMemory, at: number): EnforcerMemory {
  return {
    v: 1,
    id: "supposed",
    serial: 0,
    at,
    checkedAt: at,
    graceUntil: at,
    hush: null,
    runners: { [runner]: memory },
  };
}
