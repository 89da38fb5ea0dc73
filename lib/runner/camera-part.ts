/** What a camera runner's heartbeat says. Pure. */
import type { CameraSession } from "../core/camera-session.ts";
import type { CameraState, Health } from "../core/heartbeat.ts";
import type { CameraTransition } from "./camera-transitions.ts";
import type { AnalysisFigures } from "./frame-queue.ts";
import type { HeartbeatPart } from "./heartbeat-body.ts";
import type { ProcessUsage } from "./process-usage.ts";
import type { CameraResources } from "./resource-guard.ts";
import { usageFields } from "./usage-fields.ts";
import type { Watch } from "./watchdog.ts";

export interface CameraFacts {
  readonly state: CameraState;
  readonly watch: Watch;
  readonly session: CameraSession | undefined;
  readonly figures: AnalysisFigures;
  /** Of the stream or its pictures; "" where nothing is wrong. */
  readonly error: string;
  readonly usage: ProcessUsage | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly counts: {
    readonly sessions: number;
    /** Of the sessions before. */
    readonly framesBefore: number;
    readonly analysed: number;
    readonly dropped: number;
    /** Not analysed for want of resources. */
    readonly throttled: number;
  };
  /** What the resource guard knows; undefined where none looks. */
  readonly guard: CameraResources | undefined;
  /** Pictures that wait for the analyser. */
  readonly waiting: number;
  /** The pause before the next try; null: none is coming. */
  readonly retryMs: number | null;
  readonly history: readonly CameraTransition[];
}

const HEALTH_OF: Readonly<Record<CameraState, Health>> = {
  healthy: "healthy",
  degraded: "degraded",
  reconnecting: "degraded",
  offline: "unhealthy",
};
/** FFmpeg's harmless faults that are counted in a heartbeat. */
const MAX_COUNTS = 20;
const TAIL_LINES = 5;

export function cameraPart(facts: CameraFacts): HeartbeatPart {
  const { state, watch, session, figures, usage, labels, waiting } = facts;
  const fps = watch.streamingSince === null ? 0 : session?.fps();
  return {
    health: HEALTH_OF[state],
    camera_state: state,
    detected: figures.detected,
    matched: figures.matched,
    last_error: facts.error || figures.error,
    ...(fps === null || fps === undefined ? {} : { fps: round(fps) }),
    ...(figures.latencyMs === null ? {} : { latency_ms: round(figures.latencyMs) }),
    metrics: metricsOf(facts),
    labels,
    resources: { ...usageFields(usage), queues: { frames: waiting }, ...guardFields(facts) },
    detail: detailOf(facts),
  };
}

function guardFields({ guard }: CameraFacts): HeartbeatPart["resources"] {
  if (guard === undefined) return {};
  const { throttled, throttleReason, memoryPercent } = guard;
  return {
    host_memory_percent: round(memoryPercent),
    throttled,
    ...(throttled ? { throttle_reason: throttleReason } : {}),
  };
}

function metricsOf({ watch, session, counts, guard }: CameraFacts): Record<string, number> {
  const faults = [...(session?.counts ?? [])].slice(0, MAX_COUNTS);
  return {
    frames: counts.framesBefore + (session?.frames ?? 0),
    frames_analysed: counts.analysed,
    frames_dropped: counts.dropped,
    frames_throttled: counts.throttled,
    ...(guard?.fps == null ? {} : { fps_60s: round(guard.fps) }),
    failures: watch.failures,
    sessions: counts.sessions,
    ...Object.fromEntries(faults),
  };
}

/** For who wants to know more: the cause, the last lines that FFmpeg printed, the last changes. */
function detailOf({ watch, retryMs, history }: CameraFacts): Record<string, unknown> {
  const { fault, picture } = watch;
  const changes = history.map(({ at, ...change }) => ({
    at: new Date(at).toISOString(),
    ...change,
  }));
  return {
    ...(fault === null
      ? {}
      : {
          fault: fault.name,
          cause: fault.cause,
          retry: fault.retry,
          tail: fault.tail.slice(-TAIL_LINES),
        }),
    ...(retryMs === null ? {} : { retry_after_sec: round(retryMs / 1000) }),
    ...(picture === null ? {} : { picture }),
    transitions: changes,
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
