/** Metrics as Prometheus text. Source: https://prometheus.io/docs/instrumenting/exposition_formats/ */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import type { Moment, RunnerView } from "../core/read-models.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import { STATUSES } from "../core/status.ts";
import type { Api } from "./api.ts";
import { lagOf } from "./summary.ts";

const TEXT = "text/plain; version=0.0.4; charset=utf-8";
/** Series of single runners: more would be more than a Prometheus likes from one target. */
const MAX_RUNNER_SERIES = 1_000;

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [labels: Labels, value: number];

export function addMetricRoutes(api: Api): void {
  const answers = {
    200: { about: "Prometheus text", schema: z.string(), mediaType: "text/plain" },
  };
  const common = { method: "get", tag: "Operation", guard: "read", query: {}, answers } as const;
  api.router.add(
    { ...common, path: "/metrics", summary: "Metrics of the fleet and of Runbeat", problems: [] },
    (c) => show(c, [...pipelineMetrics(api), ...fleetMetrics(api), ...requestMetrics(api)]),
  );
  api.router.add(
    {
      ...common,
      path: "/metrics/runners",
      summary: "Metrics of single runners",
      about: `Of the worst ${MAX_RUNNER_SERIES} at most: many runners make many series.`,
      problems: ["unavailable"],
    },
    (c) => show(c, runnerMetrics(api)),
  );
}

function show(c: Context, families: readonly string[]): Response {
  return c.body(`${families.join("\n")}\n`, 200, {
    "content-type": TEXT,
    "cache-control": "no-store",
  });
}

function escaped(value: string | number): string {
  return String(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function sampleText(name: string, [labels, value]: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

/** One family of samples with its help and type. */
function family(
  name: string,
  type: "gauge" | "counter",
  help: string,
  samples: readonly Sample[],
): string {
  const lines = samples.map((sample) => sampleText(name, sample));
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines].join("\n");
}

function pipelineMetrics({ monitor, streams, ingest, version }: Api): string[] {
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
    family(
      "runbeat_http_heartbeats_total",
      "counter",
      "Heartbeats posted over HTTP, by result.",
      posted,
    ),
  ];
}

/** Nothing where there are no read models yet. */
function fleetMetrics(api: Api): string[] {
  const moment = api.monitor.moment();
  try {
    return [...statusMetrics(api, moment), ...projectionMetrics(api)];
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
  const { walBytes } = models.health();
  return [
    family("runbeat_projection_lag_messages", "gauge", "Messages not folded yet.", lags),
    family("runbeat_projection_running", "gauge", "Whether the projection folds.", running),
    family("runbeat_database_wal_bytes", "gauge", "Size of the write-ahead log.", [[{}, walBytes]]),
  ];
}

function requestMetrics({ metrics }: Api): string[] {
  const requests = metrics
    .requests()
    .map(({ method, route, status, count }): Sample => [{ method, route, code: status }, count]);
  const name = "runbeat_http_request_duration_seconds";
  const lines = metrics
    .durations()
    .flatMap(({ route, upTo, count, sumSec }) => [
      ...upTo.map(([le, value]) => sampleText(`${name}_bucket`, [{ route, le }, value])),
      sampleText(`${name}_sum`, [{ route }, sumSec]),
      sampleText(`${name}_count`, [{ route }, count]),
    ]);
  return [
    family("runbeat_http_requests_total", "counter", "Requests by route and answer.", requests),
    [`# HELP ${name} Time to answer.`, `# TYPE ${name} histogram`, ...lines].join("\n"),
  ];
}

function runnerMetrics({ models, monitor }: Api): string[] {
  const moment = monitor.moment();
  const { items } = models.runners(
    {
      kinds: [],
      statuses: [],
      healths: [],
      hosts: [],
      labels: [],
      text: "",
      retired: false,
      sort: { key: "severity", descending: false },
      limit: MAX_RUNNER_SERIES,
      after: undefined,
    },
    moment,
  );
  const each = (value: (view: RunnerView) => number | null | undefined): Sample[] =>
    items.flatMap((view): Sample[] => {
      const found = value(view);
      return found == null ? [] : [[{ runner: view.runner }, found]];
    });
  const up = each(({ status }) =>
    status.status === "unknown" ? null : Number(status.status === "online"),
  );
  const age = each(({ beat }) => beat && Math.max(0, moment.now - beat.last_heartbeat_at) / 1_000);
  return [
    family("runbeat_runner_up", "gauge", "Whether the runner is online.", up),
    family("runbeat_runner_heartbeat_age_seconds", "gauge", "Age of its last heartbeat.", age),
    family(
      "runbeat_runner_fps",
      "gauge",
      "Frames a second.",
      each(({ figures }) => figures?.fps),
    ),
    family(
      "runbeat_runner_restarts",
      "gauge",
      "Processes before this one.",
      each((view) => view.restarts),
    ),
  ];
}
