/**
 * When a status turns into another: what the sentinel tells, and what a simulation of the past
 * works out again under other settings. Times are epoch ms on the NATS server's clock.
 */
import { CLEAR_VIEW, statusOf } from "./status.ts";
import type { Cause, Liveness, PipelineView, Status, StatusAnswer, Thresholds } from "./status.ts";
import { statusWindow } from "./status-window.ts";

export interface StatusChange {
  /** The first millisecond at which the new status is the right one. */
  readonly at: number;
  readonly from: Status;
  readonly to: Status;
  readonly cause: Cause;
  /** Since when it counts, as `statusOf` says it. */
  readonly since: number;
}

/**
 * Windows looked at for one change: three thresholds, counted once from the heartbeat and once
 * from the end of a blindness, and that end itself. A runner with no beginning has no end of them.
 */
const MAX_WINDOWS = 8;

/**
 * The first millisecond after `now` at which the runner's status is another as long as nothing is
 * heard of it; undefined where time alone changes nothing.
 */
export function nextChangeAt(
  runner: Liveness,
  now: number,
  thresholds: Thresholds,
  view: PipelineView = CLEAR_VIEW,
): number | undefined {
  const { status } = statusOf(runner, now, thresholds, view);
  let at = now;
  for (let windows = 0; windows < MAX_WINDOWS; windows++) {
    const { until } = statusWindow(runner, at, thresholds, view);
    if (until === Infinity) return undefined;
    at = Math.floor(until) + 1;
    if (statusOf(runner, at, thresholds, view).status !== status) return at;
  }
  return undefined;
}

/** A span of time in which nothing new is heard of a runner, both ends included. */
export interface QuietSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * The changes of status within a span, oldest first. Chain them: what is heard at a time ends one
 * span and begins the next with what the runner's liveness then is, and with the status last told.
 * @param told the status before the span; where it is another than that at the span's beginning,
 * that is the first change.
 */
export function changesBetween(
  told: Status,
  runner: Liveness,
  { from, to }: QuietSpan,
  thresholds: Thresholds,
  view: PipelineView = CLEAR_VIEW,
): readonly StatusChange[] {
  const changes: StatusChange[] = [];
  let status = told;
  let at: number | undefined = from;
  while (at !== undefined && at <= to) {
    const answer = statusOf(runner, at, thresholds, view);
    if (answer.status !== status) changes.push(statusChange(status, answer, at));
    status = answer.status;
    at = nextChangeAt(runner, at, thresholds, view);
  }
  return changes;
}

function statusChange(from: Status, answer: StatusAnswer, at: number): StatusChange {
  return { at, from, to: answer.status, cause: answer.cause, since: answer.since };
}
