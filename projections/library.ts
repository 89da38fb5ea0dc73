/** What users of the package get as `runbeat/projections`: our folds, and how to write others. */
export { defineProjection } from "./define.ts";
export type { ColumnType, ProjectionDefinition, RowOf, UserProjection } from "./define.ts";
export { projections } from "./index.ts";
export { latestHeartbeat } from "./latest-heartbeat.ts";
export { processHeartbeat } from "./process-heartbeat.ts";
export { processLifecycle } from "./process-lifecycle.ts";
export type { FoldedStream, MessageOf, Projection } from "./projection.ts";
export { quarantine } from "./quarantine.ts";
export { restartState } from "./restart-state.ts";
export { runnerHeartbeat } from "./runner-heartbeat.ts";
export { timeline } from "./timeline.ts";
export { DEFAULT_THRESHOLDS } from "../lib/core/status.ts";
export { DEFAULT_PREFIXES } from "../lib/core/subject.ts";
