import type { FleetRules } from "../core/explanation.ts";
import type { Moment, ReadModels } from "../core/read-models.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { Prefixes } from "../core/subject.ts";
import type { AsOf } from "./answer.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import type { LiveHub } from "./live-hub.ts";
import type { IngestCounts } from "./ingest-counts.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import type { Keys } from "./keys.ts";
import type { OperatorAccess } from "./operator-access.ts";
import type { PastAccess } from "./past-access.ts";
import type { PipelineMonitor } from "./pipeline-monitor.ts";
import type { RepeatedRequests } from "./repeated-requests.ts";
import type { Router } from "./route.ts";
import type { StreamAccess } from "./stream-access.ts";
import type { ListedProjection, MissingProjection } from "./user-projections.ts";

export interface ApiLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What enforcers go by, as far as it is known here. */
export interface RulesSource {
  /** As they are now. */
  current(): FleetRules;
  /** The runner that the enforcer of a host is; of this host where none is given. */
  enforcerOf(host: string | undefined): RunnerId;
}

/** What the routes work with. */
export interface Api {
  readonly router: Router;
  readonly models: ReadModels;
  readonly monitor: PipelineMonitor;
  readonly streams: StreamAccess;
  readonly past: PastAccess;
  /** Undefined where nothing is passed on. */
  readonly operator?: OperatorAccess | undefined;
  readonly repeated: RepeatedRequests;
  readonly keys: Keys;
  readonly metrics: HttpMetrics;
  readonly ingest: IngestCounts;
  readonly ingestLimits: IngestLimits;
  /** Of an array of heartbeats. */
  readonly maxBodyBytes: number;
  readonly prefixes: Prefixes;
  readonly log: ApiLog;
  readonly live: LiveHub;
  /** Of Runbeat. */
  readonly version: string;
  /** Undefined where nothing is known of enforcers. */
  readonly rules?: RulesSource | undefined;
  /** Read models of the user's own, and those that could not be loaded. */
  readonly userProjections?: readonly ListedProjection[] | undefined;
  readonly missingProjections?: readonly MissingProjection[] | undefined;
}

/** What an answer says of the moment that it is of. `seq`: how far its stream was folded. */
export function asOf({ monitor }: Pick<Api, "monitor">, seq: number, { now }: Moment): AsOf {
  const isPast = monitor.standsAt() !== undefined;
  return { seq, time: now, lagMs: monitor.lagMs(), isPast };
}
