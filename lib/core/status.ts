import type { Health } from "./heartbeat.ts";

export const STATUSES = ["starting", "online", "stale", "missing", "offline", "unknown"] as const;
export type Status = (typeof STATUSES)[number];

/** Worst first: how lists are sorted unless told otherwise. */
export const STATUS_SEVERITY: Record<Status, number> = {
  offline: 0,
  missing: 1,
  stale: 2,
  unknown: 3,
  starting: 4,
  online: 5,
};

/** Ages in seconds; section "Status" of the README. */
export interface Thresholds {
  readonly intervalSec: number;
  readonly onlineSec: number;
  readonly staleSec: number;
  readonly offlineSec: number;
  readonly startGraceSec: number;
}

export const DEFAULT_THRESHOLDS: Thresholds = {
  intervalSec: 10,
  onlineSec: 15,
  staleSec: 45,
  offlineSec: 120,
  startGraceSec: 30,
};

/** What Runbeat knows of its own eyes and ears, on the NATS server's clock in epoch ms. */
export interface PipelineView {
  /** Since when nothing can be told: NATS is out of reach or the projector is behind; else null. */
  readonly blindSince: number | null;
  /** The last time of blindness, so that silence that was our own is not blamed on a runner. */
  readonly lastBlind: { readonly from: number; readonly to: number } | null;
}

export const CLEAR_VIEW: PipelineView = { blindSince: null, lastBlind: null };

/** What a status follows from: the runner's current process and what was declared about it. */
export interface Liveness {
  /** Stream time of the current process's last heartbeat, epoch ms. */
  readonly lastHeartbeatAt: number | null;
  /** Since when it has beaten without a pause. */
  readonly beatingSince: number | null;
  /** The interval that the runner declares, seconds. */
  readonly intervalSec: number | null;
  /** When the current process was announced as spawned, stream time in epoch ms. */
  readonly spawnedAt: number | null;
  /** When the current process ended, stream time in epoch ms. */
  readonly endedAt: number | null;
  /** When a runner of the fleet file that was never heard of was first looked for. */
  readonly declaredAt: number | null;
}

export const CAUSES = [
  "heartbeat",
  "silence",
  "ended",
  "spawned",
  "no_heartbeat",
  "never_seen",
  "pipeline",
] as const;
export type Cause = (typeof CAUSES)[number];

export interface StatusAnswer {
  readonly status: Status;
  /** Epoch ms. */
  readonly since: number;
  readonly cause: Cause;
}

/** A heartbeat may be stored this long after its process's end was: it was on its way. */
export const END_TOLERANCE_MS = 2_000;

/** How much longer the thresholds are for a runner that promises to beat less often. */
export function thresholdScale(intervalSec: number | null, thresholds: Thresholds): number {
  if (intervalSec === null || intervalSec <= thresholds.intervalSec) return 1;
  return intervalSec / thresholds.intervalSec;
}

/**
 * The status of a runner at `now` (epoch ms on the NATS server's clock): the README
 * section "Status". Pure; never looks at a runner's own clock.
 */
export function statusOf(
  runner: Liveness,
  now: number,
  thresholds: Thresholds,
  view: PipelineView = CLEAR_VIEW,
): StatusAnswer {
  if (view.blindSince !== null) return beforeBlindness(runner, view.blindSince, thresholds, view);
  return seen(runner, now, thresholds, view);
}

/** While blind, only what was certain stays: a process that is known to have ended. */
function beforeBlindness(
  runner: Liveness,
  blindSince: number,
  thresholds: Thresholds,
  view: PipelineView,
): StatusAnswer {
  const before = seen(runner, blindSince, thresholds, { ...view, blindSince: null });
  if (before.status === "offline" && before.cause === "ended") return before;
  return { status: "unknown", since: blindSince, cause: "pipeline" };
}

function seen(
  runner: Liveness,
  now: number,
  thresholds: Thresholds,
  view: PipelineView,
): StatusAnswer {
  const { lastHeartbeatAt, endedAt } = runner;
  const beatAfterEnd =
    endedAt !== null && lastHeartbeatAt !== null && lastHeartbeatAt > endedAt + END_TOLERANCE_MS;
  if (endedAt !== null && !beatAfterEnd) {
    return { status: "offline", since: endedAt, cause: "ended" };
  }
  if (lastHeartbeatAt === null) return unheard(runner, now, thresholds, view);
  return byAge(runner, lastHeartbeatAt, now, thresholds, view);
}

function unheard(
  runner: Liveness,
  now: number,
  thresholds: Thresholds,
  view: PipelineView,
): StatusAnswer {
  const start = runner.spawnedAt ?? runner.declaredAt ?? now;
  const excused = Math.max(start, blindEndFor(start, now, view) ?? start);
  const graceEnd = excused + thresholds.startGraceSec * 1000;
  if (now <= graceEnd) return { status: "starting", since: start, cause: "spawned" };
  const cause = runner.spawnedAt === null ? "never_seen" : "no_heartbeat";
  return { status: "offline", since: graceEnd, cause };
}

/** The end of the last blindness if it hid some of the time from `since` to `now`. */
function blindEndFor(since: number, now: number, view: PipelineView): number | undefined {
  const blind = view.lastBlind;
  return blind !== null && since < blind.to && blind.to <= now ? blind.to : undefined;
}

function byAge(
  runner: Liveness,
  lastHeartbeatAt: number,
  now: number,
  thresholds: Thresholds,
  view: PipelineView,
): StatusAnswer {
  const scale = thresholdScale(runner.intervalSec, thresholds) * 1000;
  const onlineMs = thresholds.onlineSec * scale;
  const offlineMs = thresholds.offlineSec * scale;
  const blindEnd = blindEndFor(lastHeartbeatAt, now, view);
  const wasOffline = (view.lastBlind?.from ?? 0) - lastHeartbeatAt > offlineMs;
  if (blindEnd !== undefined && !wasOffline && now - blindEnd <= onlineMs) {
    // It may have beaten while nobody could hear it, and has not had its turn to beat again.
    if (now - lastHeartbeatAt > onlineMs) {
      return { status: "unknown", since: view.lastBlind?.from ?? blindEnd, cause: "pipeline" };
    }
  }
  const from = blindEnd !== undefined && !wasOffline ? blindEnd : lastHeartbeatAt;
  return ageStatus(runner, from, now, {
    onlineMs,
    staleMs: thresholds.staleSec * scale,
    offlineMs,
  });
}

function ageStatus(
  runner: Liveness,
  from: number,
  now: number,
  limits: { onlineMs: number; staleMs: number; offlineMs: number },
): StatusAnswer {
  const age = now - from;
  if (age <= limits.onlineMs) {
    return { status: "online", since: runner.beatingSince ?? from, cause: "heartbeat" };
  }
  if (age <= limits.staleMs) {
    return { status: "stale", since: from + limits.onlineMs, cause: "silence" };
  }
  if (age <= limits.offlineMs) {
    return { status: "missing", since: from + limits.staleMs, cause: "silence" };
  }
  return { status: "offline", since: from + limits.offlineMs, cause: "silence" };
}

/** Health is a second axis; a runner that says nothing of it and beats is taken to be healthy. */
export function healthOf(reported: Health | null): Health {
  return reported ?? "healthy";
}
