import type { Hono } from "hono";
import type { ReadModels } from "../core/read-models.ts";
import type { Prefixes } from "../core/subject.ts";
import type { Api, ApiLog, RulesSource } from "./api.ts";
import { addExplainRoute } from "./explain.ts";
import { addAlertRoutes } from "./alerts.ts";
import { addDashboardPage } from "./dashboard-page.ts";
import { addHealthRoutes } from "./health.ts";
import { addHeartbeatRoutes } from "./heartbeats.ts";
import { addHistoryRoutes } from "./history.ts";
import { HttpMetrics } from "./http-metrics.ts";
import { IngestCounts } from "./ingest-counts.ts";
import { IngestLimits } from "./ingest-limits.ts";
import type { IngestLimitOptions } from "./ingest-limits.ts";
import { addIngestRoutes } from "./ingest.ts";
import { Keys } from "./keys.ts";
import type { KeyOptions } from "./keys.ts";
import { LiveHub } from "./live-hub.ts";
import { addLiveRoute, liveTexts } from "./live.ts";
import type { OperatorAccess } from "./operator-access.ts";
import { addMetricRoutes } from "./metrics.ts";
import { addOpenApiRoute } from "./openapi.ts";
import { addOrderRoutes } from "./orders.ts";
import type { PastAccess } from "./past-access.ts";
import type { PipelineMonitor } from "./pipeline-monitor.ts";
import { addProcessRoutes } from "./processes.ts";
import { addQuarantineRoutes } from "./quarantine.ts";
import { NO_PAST } from "./read-route.ts";
import { addReferencePage } from "./reference-page.ts";
import { RepeatedRequests } from "./repeated-requests.ts";
import { Router } from "./route.ts";
import { addRunnerRoutes } from "./runners.ts";
import { SAFETY_HEADERS } from "./safety-headers.ts";
import { addSilenceRoutes } from "./silences.ts";
import type { StreamAccess } from "./stream-access.ts";
import { addStreamRoutes } from "./streams.ts";
import { addSummaryRoutes } from "./summary.ts";
import { addTimelineRoutes } from "./timeline.ts";
import { addUserProjectionRoutes } from "./user-projections.ts";
import type { ListedProjection, MissingProjection } from "./user-projections.ts";

export interface ApiOptions {
  readonly models: ReadModels;
  readonly monitor: PipelineMonitor;
  readonly streams: StreamAccess;
  /** Without it, `at` is refused. */
  readonly past?: PastAccess;
  /** Without it, nothing can be ordered. */
  readonly operator?: OperatorAccess | undefined;
  readonly keys: KeyOptions;
  readonly ingestLimits: IngestLimitOptions;
  /** Longest array of heartbeats, in bytes. */
  readonly maxBodyBytes: number;
  readonly prefixes: Prefixes;
  readonly log: ApiLog;
  readonly version: string;
  /** What enforcers go by; without it nothing is foretold of them. */
  readonly rules?: RulesSource | undefined;
  /** Aborted when the API is about to stop: those who follow are let go. */
  readonly stopping?: AbortSignal;
  /** Read models of the user's own, and those that could not be loaded. */
  readonly userProjections?: readonly ListedProjection[] | undefined;
  readonly missingProjections?: readonly MissingProjection[] | undefined;
}

/** The whole API as a Hono application. It opens nothing and closes nothing. */
export function createApi(options: ApiOptions): Hono {
  const metrics = new HttpMetrics();
  const keys = new Keys(options.keys);
  const onFault = (error: unknown, path: string): void => {
    options.log.error({ err: error, path }, "a request failed");
  };
  const router = new Router({ keys, metrics, onFault });
  const live = new LiveHub({
    models: options.models,
    monitor: options.monitor,
    texts: liveTexts(options),
    onFault: (error) => onFault(error, "/api/v1/live"),
  });
  options.stopping?.addEventListener("abort", () => live.close(), { once: true });
  const api: Api = {
    ...options,
    past: options.past ?? NO_PAST,
    live,
    router,
    keys,
    metrics,
    repeated: new RepeatedRequests(),
    ingest: new IngestCounts(),
    ingestLimits: new IngestLimits(options.ingestLimits),
  };
  router.app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(SAFETY_HEADERS)) c.header(name, value);
  });
  addRoutes(api);
  router.close();
  return router.app as unknown as Hono;
}

function addRoutes(api: Api): void {
  addRunnerRoutes(api);
  addHistoryRoutes(api);
  addTimelineRoutes(api);
  addExplainRoute(api);
  addHeartbeatRoutes(api);
  addProcessRoutes(api);
  addSummaryRoutes(api);
  addLiveRoute(api);
  addUserProjectionRoutes(api);
  addQuarantineRoutes(api);
  addAlertRoutes(api);
  addSilenceRoutes(api);
  addOrderRoutes(api);
  addIngestRoutes(api);
  addHealthRoutes(api);
  addStreamRoutes(api);
  addMetricRoutes(api);
  addOpenApiRoute(api);
  addReferencePage(api);
  addDashboardPage(api);
}
