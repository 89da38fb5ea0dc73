import { alert } from "./alert.ts";
import { latestHeartbeat } from "./latest-heartbeat.ts";
import { processHeartbeat } from "./process-heartbeat.ts";
import { processLifecycle } from "./process-lifecycle.ts";
import type { AnyProjection } from "./projection.ts";
import { quarantine } from "./quarantine.ts";
import { restartState } from "./restart-state.ts";
import { runnerHeartbeat } from "./runner-heartbeat.ts";
import { silence } from "./silence.ts";
import { timeline } from "./timeline.ts";

/** Every read model there is. A new one is a fold, a migration and a line here. */
export const projections: readonly AnyProjection[] = [
  latestHeartbeat,
  processHeartbeat,
  processLifecycle,
  restartState,
  runnerHeartbeat,
  timeline,
  quarantine,
  alert,
  silence,
];
