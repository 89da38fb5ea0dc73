/** Runners and summaries as the API tells them. */
import { STATUSES } from "../../lib/core/status.ts";
import type { Status } from "../../lib/core/status.ts";
import { formatTime } from "../../lib/core/time.ts";
import type { TopRunner, TopSummary } from "../../lib/terminal/top-fleet.ts";

export const NOW = Date.UTC(2026, 0, 31, 3, 12, 0);

type Over = Omit<Partial<TopRunner>, "heartbeat"> & {
  readonly ageMs?: number;
  readonly fps?: number | null;
};

export function topRunner(
  runner: string,
  { ageMs = 2_000, fps = null, ...over }: Over = {},
): TopRunner {
  return {
    runner,
    status: "online",
    status_since: formatTime(NOW - 600_000),
    cause: "heartbeat",
    health: "healthy",
    paused: false,
    retired: false,
    managed: true,
    duplicate: false,
    last_heartbeat_at: formatTime(NOW - ageMs),
    age_ms: ageMs,
    interval_sec: 10,
    clock_skew_ms: 3,
    last_error: "",
    last_error_at: null,
    process: {
      host: "edge-1",
      pid: 4711,
      started_at: formatTime(NOW - 600_000),
      state: "running",
      restarts: 0,
      exit_code: null,
      signal: null,
    },
    heartbeat: {
      seq: 1,
      fps,
      detected: null,
      matched: null,
      latency_ms: null,
      checks: {},
      metrics: {},
      labels: {},
      resources: {},
      camera_state: null,
    },
    restart: { attempt_count: 0, last_failure_reason: null, cooldown_until: null },
    desired: null,
    ...over,
  };
}

export function topSummary(
  runners: readonly TopRunner[],
  { beats = 0, timeMs = NOW, lagMs = 3 }: { beats?: number; timeMs?: number; lagMs?: number } = {},
): TopSummary {
  const count = (status: Status) => runners.filter((one) => one.status === status).length;
  return {
    total: runners.length,
    status: Object.fromEntries(STATUSES.map((status) => [status, count(status)])) as Record<
      Status,
      number
    >,
    health: {
      healthy: runners.filter(({ health }) => health === "healthy").length,
      degraded: runners.filter(({ health }) => health === "degraded").length,
      unhealthy: 0,
    },
    projections: [{ name: "latest_heartbeat", seq: beats }],
    as_of: { time: formatTime(timeMs), lag_ms: lagMs },
  };
}
