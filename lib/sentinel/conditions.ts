/** From what is in memory of a runner to what the rules of alerts look at. */
import type { RunnerCondition } from "../core/alert-troubles.ts";
import { isStopOrder } from "../core/decide-orders.ts";
import { UNKNOWN_HOST } from "../core/heartbeat.ts";
import type { Moment, RunnerFacts } from "../core/read-models.ts";
import { statusOf } from "../core/status.ts";

export interface ConditionNotes {
  /** How often the runner fell from online lately. */
  readonly falls: number;
  /** Why the enforcer may not restart it. */
  readonly denied: string | null;
}

/** Undefined for whom nobody wants to hear of: the paused, the retired and the stopped. */
export function conditionOf(
  facts: RunnerFacts,
  { now, view }: Moment,
  { falls, denied }: ConditionNotes,
): RunnerCondition | undefined {
  const { runner, liveness, thresholds, current, beat, restart, declared } = facts;
  if (restart?.paused === 1 || restart?.retired === 1) return undefined;
  const status = statusOf(liveness, now, thresholds, view);
  const isStopped = isStopOrder(restart?.last_failure_reason) && status.status !== "online";
  if (isStopped) return undefined;
  const own = current?.isBeating === true ? beat : undefined;
  const announced = current?.announced;
  const host = current?.host ?? restart?.registered_host ?? "";
  const hasEnded = announced !== undefined && announced.ended_at !== null;
  return {
    runner,
    kind: runner.slice(0, runner.indexOf("/")),
    host: host === UNKNOWN_HOST ? "" : host,
    status,
    health: own?.health ?? null,
    lastHeartbeatAt: liveness.lastHeartbeatAt,
    intervalSec: liveness.intervalSec ?? thresholds.intervalSec,
    exit: hasEnded ? { code: announced.exit_code, signal: announced.signal } : null,
    isDeclared: declared !== undefined,
    cooldownUntil: restart?.cooldown_until ?? null,
    lastFailure: restart?.last_failure_reason ?? null,
    denied,
    skewMs: own?.clock_offset_ms ?? 0,
    falls,
  };
}
