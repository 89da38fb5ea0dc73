/** Metrics for Prometheus: of the pipeline, the fleet and this API. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import type { Moment } from "../core/read-models.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import { STATUSES } from "../core/status.ts";
import type { Api } from "./api.ts";
import { FleetMetrics } from "./metrics-fleet.ts";
import { MAX_RUNNER_SERIES, runnerMetrics } from "./metrics-runner.ts";
import { sentinelMetrics } from "./metrics-sentinel.ts";
import { METRICS_TYPE, family, histogram } from "./metrics-text.ts";
import type { Sample } from "./metrics-text.ts";
import { lagOf } from "./summary.ts";

export function addMetricRoutes(api: Api): void {
  const answers = {
    200: { about: "Prometheus text", schema: z.string(), mediaType: "text/plain" },
  };
  const common = { method: "get", tag: "Operation", guard: "read", query: {}, answers } as const;
  const fleet = new FleetMetrics(api.models);
  api.router.add(
    {
      ...common,
      path: "/metrics",
      summary: "Metrics of the fleet and of Runbeat",
      about: "Of no single runner: a large fleet makes no more series than a small one.",
      problems: [],
    },
    async (c) =>
      show(c, [
        ...pipelineMetrics(api),
        ...(await fleetMetrics(api, fleet)),
        ...(await sentinelMetrics(api)),
        ...requestMetrics(api),
      ]),
  );
  api.router.add(
    {
      ...common,
      path: "/metrics/runners",
      summary: "Metrics of single runners",
      about: `Of the worst ${MAX_RUNNER_SERIES} at most: many runners make many series.`,
      problems: ["unavailable"],
    },
    (c) => show(c, runnerMetrics(api.models, api.monitor.moment())),
  );
}

function show(c: Context, families: readonly string[]): Response {
  return c.body(`${families.join("\n")}\n`, 200, {
    "content-type": METRICS_TYPE,
    "cache-control": "no-store",
  });
}

function pipelineMetrics({ monitor, streams, ingest, version, live }: Api): string[] {
  const { view } = monitor.moment();
  const lagMs = monitor.lagMs();
  const lag: Sample[] = lagMs === null ? [] : [[{}, lagMs / 1_000]];
  const posted = ingest.all().map(([result, count]): Sample => [{ result }, count]);
  const mayTell = view.blindSince === null ? 1 : 0;
  return [
    family("runbeat_build_info", "gauge", "Version of Runbeat.", [[{ version }, 1]]),
    family("runbeat_nats_up", "gauge", "Whether NATS is connected.", [
      [{}, streams.isConnected() ? 1 : 0],
    ]),
    family("runbeat_pipeline_sighted", "gauge", "Whether statuses can be told.", [[{}, mayTell]]),
    family("runbeat_pipeline_lag_seconds", "gauge", "How far folding is behind the streams.", lag),
    family("runbeat_live_clients", "gauge", "Clients that follow live.", [[{}, live.size]]),
    family("runbeat_live_clients_dropped_total", "counter", "Live clients that took nothing.", [
      [{}, live.dropped],
    ]),
    family("runbeat_live_frames_total", "counter", "Frames made for live clients.", [
      [{}, live.frames],
    ]),
    family(
      "runbeat_http_heartbeats_total",
      "counter",
      "Heartbeats posted over HTTP, by result.",
      posted,
    ),
  ];
}

/** Nothing where there are no read models yet. */
async function fleetMetrics(api: Api, fleet: FleetMetrics): Promise<string[]> {
  const moment = api.monitor.moment();
  try {
    const own = await fleet.collect(moment);
    return [...statusMetrics(api, moment), ...projectionMetrics(api), ...own];
  } catch (error) {
    if (error instanceof AppError) return [];
    throw error;
  }
}

function statusMetrics({ models }: Api, moment: Moment): string[] {
  const { kinds, oldestSilence } = models.summary(moment);
  const byStatus = RUNNER_KINDS.flatMap((kind) =>
    STATUSES.map((status): Sample => [{ kind, status }, kinds[kind].status[status]]),
  );
  const byHealth = RUNNER_KINDS.flatMap((kind) =>
    Object.entries(kinds[kind].health).map(([health, count]): Sample => [{ kind, health }, count]),
  );
  const silence: Sample[] =
    oldestSilence === undefined
      ? []
      : [[{}, Math.max(0, moment.now - oldestSilence.lastHeartbeatAt) / 1_000]];
  return [
    family("runbeat_runners", "gauge", "Runners by kind and status.", byStatus),
    family("runbeat_runners_health", "gauge", "Runners by kind and reported health.", byHealth),
    family("runbeat_oldest_silence_seconds", "gauge", "Age of the oldest last heartbeat.", silence),
  ];
}

function projectionMetrics({ models, monitor }: Api): string[] {
  const rows = models.checkpoints().rows.filter(({ lane }) => lane === "main");
  const lags = rows.flatMap((row): Sample[] => {
    const lag = lagOf(row, monitor.streams());
    return lag === null ? [] : [[{ projection: row.projection, partition: row.partition }, lag]];
  });
  const running = rows.map((row): Sample => [
    { projection: row.projection, partition: row.partition },
    row.state === "running" ? 1 : 0,
  ]);
  const folded = rows.map((row): Sample => [
    { projection: row.projection, partition: row.partition },
    row.seq,
  ]);
  const { walBytes } = models.health();
  return [
    family("runbeat_projection_lag_messages", "gauge", "Messages not folded yet.", lags),
    family(
      "runbeat_projection_messages_total",
      "counter",
      "Messages of its stream that the projection has behind it, folded or rejected.",
      folded,
    ),
    family("runbeat_projection_running", "gauge", "Whether the projection folds.", running),
    family("runbeat_database_wal_bytes", "gauge", "Size of the write-ahead log.", [[{}, walBytes]]),
  ];
}

function requestMetrics({ metrics }: Api): string[] {
  const requests = metrics
    .requests()
    .map(({ method, route, status, count }): Sample => [{ method, route, code: status }, count]);
  const durations = metrics
    .durations()
    .map(({ route, upTo, count, sumSec }) => ({ labels: { route }, upTo, count, sum: sumSec }));
  return [
    family("runbeat_http_requests_total", "counter", "Requests by route and answer.", requests),
    histogram("runbeat_http_request_duration_seconds", "Time to answer.", durations),
  ];
}
