/** A runner as the API shows it. */
import { z } from "@hono/zod-openapi";
import { PROCESS_STATES } from "../core/current-process.ts";
import { resourcesSchema } from "../core/heartbeat-schema.ts";
import { CAMERA_STATES, HEALTH_VALUES } from "../core/heartbeat.ts";
import type { AnnouncedRow, BeatFacts, BeatFigures, RunnerView } from "../core/read-models.ts";
import type { CurrentProcess } from "../core/current-process.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import { CAUSES, healthOf, STATUSES } from "../core/status.ts";
import { agingPart } from "./answer.ts";
import type { Part } from "./answer.ts";
import { timeText } from "./time-text.ts";

export const timeSchema = z.iso.datetime().openapi({ example: "2026-01-31T03:12:00.000Z" });
export const runnerNameSchema = z
  .string()
  .describe("kind/name/profile")
  .openapi({ example: "camera/front-door/hd" });

/** How every item of a runner begins. */
export const runnerFields = {
  runner: runnerNameSchema,
  kind: z.enum(RUNNER_KINDS),
  name: z.string(),
  profile: z.string(),
};

export const statusSchema = z.enum(STATUSES).describe("Follows from the age of the last heartbeat");
export const healthSchema = z.enum(HEALTH_VALUES).nullable().describe("As the runner reports it");

const processSchema = z.object({
  host: z.string(),
  pid: z.number().int(),
  started_at: timeSchema.nullable(),
  state: z.enum(PROCESS_STATES),
  restarts: z
    .number()
    .int()
    .describe("Processes of the runner that were announced before this one"),
  exit_code: z.number().int().nullable(),
  signal: z.string().nullable(),
  ended_at: timeSchema.nullable(),
  end_reason: z.string().nullable(),
});

const count = z.number().nullable();

const beatSchema = z.object({
  seq: z.number().int().nullable().describe("The runner's own counter"),
  fps: count,
  detected: count,
  matched: count,
  latency_ms: count,
  checks: z.record(z.string(), z.boolean()),
  metrics: z.record(z.string(), z.number()),
  labels: z.record(z.string(), z.string()),
  resources: resourcesSchema,
  detail: z.record(z.string(), z.unknown()),
  camera_state: z.enum(CAMERA_STATES).nullable(),
  heavy_at: timeSchema
    .nullable()
    .describe("When checks, metrics, labels, resources and detail came last"),
});

const restartSchema = z.object({
  attempt_count: z.number().int(),
  last_attempt_at: timeSchema.nullable(),
  last_failure_reason: z.string().nullable(),
  cooldown_until: timeSchema.nullable(),
});

const desiredSchema = z
  .object({
    driver: z.string().describe("What starts it: camera, command, docker, systemd, external"),
    interval_sec: z.number().nullable(),
  })
  .nullable()
  .describe("What the fleet file says of it; null where it says nothing");

export const RUNNER_EXAMPLE = {
  runner: "camera/front-door/hd",
  kind: "camera",
  name: "front-door",
  profile: "hd",
  status: "online",
  status_since: "2026-01-31T03:04:05.678Z",
  cause: "heartbeat",
  health: "healthy",
  paused: false,
  retired: false,
  managed: true,
  duplicate: false,
  registered_at: null,
  last_heartbeat_at: "2026-01-31T03:12:00.123Z",
  age_ms: 1234,
  interval_sec: 10,
  clock_skew_ms: 3,
  last_error: "",
  last_error_at: null,
  process: {
    host: "edge-1",
    pid: 4711,
    started_at: "2026-01-31T03:04:04.000Z",
    state: "running",
    restarts: 0,
    exit_code: null,
    signal: null,
    ended_at: null,
    end_reason: null,
  },
  heartbeat: {
    seq: 812,
    fps: 24.9,
    detected: 2,
    matched: 1,
    latency_ms: 18.2,
    checks: { redis_ok: true },
    metrics: {},
    labels: { backend: "cuda" },
    resources: { cpu_percent: 12.5, memory_mb: 210 },
    detail: {},
    camera_state: "healthy",
    heavy_at: "2026-01-31T03:11:50.101Z",
  },
  restart: {
    attempt_count: 0,
    last_attempt_at: null,
    last_failure_reason: null,
    cooldown_until: null,
  },
  desired: { driver: "camera", interval_sec: null },
};

export const runnerSchema = z
  .object({
    ...runnerFields,
    status: statusSchema,
    status_since: timeSchema,
    cause: z.enum(CAUSES).describe("Why it has this status"),
    health: healthSchema,
    paused: z.boolean(),
    retired: z.boolean(),
    managed: z.boolean().describe("Its process was announced by whoever started it"),
    duplicate: z.boolean().describe("Two live processes beat for it"),
    registered_at: timeSchema.nullable(),
    last_heartbeat_at: timeSchema.nullable(),
    age_ms: z.number().int().nullable().describe("Of the last heartbeat"),
    interval_sec: z.number().nullable(),
    clock_skew_ms: z.number().nullable().describe("The runner's clock minus the stream's"),
    last_error: z.string(),
    last_error_at: timeSchema.nullable(),
    process: processSchema.nullable(),
    heartbeat: beatSchema.nullable().describe("The newest of the current process"),
    restart: restartSchema,
    desired: desiredSchema,
  })
  .openapi("Runner", { example: RUNNER_EXAMPLE });

function text(value: string | null): string {
  return value === null ? "null" : JSON.stringify(value);
}

/** Known starts are times; 0 stands for one that nobody knows. */
function start(epochMs: number): string {
  return timeText(epochMs === 0 ? null : epochMs);
}

function processText(current: CurrentProcess<AnnouncedRow>, restarts: number): string {
  const { announced } = current;
  return (
    `{"host":${text(current.host)},"pid":${current.pid},"started_at":${start(current.startedAt)},` +
    `"state":"${current.state}","restarts":${restarts},"exit_code":${announced?.exit_code ?? null},` +
    `"signal":${text(announced?.signal ?? null)},"ended_at":${timeText(announced?.ended_at ?? null)},` +
    `"end_reason":${text(announced?.end_reason ?? null)}}`
  );
}

/** The heavy parts are JSON texts already: they are passed on as they are. */
function beatText(beat: BeatFacts, figures: BeatFigures): string {
  const { seq, fps, detected, matched, latency_ms, checks, metrics, resources, detail } = figures;
  return (
    `{"seq":${seq},"fps":${fps},"detected":${detected},"matched":${matched},` +
    `"latency_ms":${latency_ms},"checks":${checks ?? "{}"},"metrics":${metrics ?? "{}"},` +
    `"labels":${beat.labels ?? "{}"},"resources":${resources ?? "{}"},"detail":${detail ?? "{}"},` +
    `"camera_state":${text(figures.camera_state)},"heavy_at":${timeText(figures.heavy_at)}}`
  );
}

function restartText(restart: RunnerView["restart"]): string {
  return (
    `{"attempt_count":${restart?.attempt_count ?? 0},` +
    `"last_attempt_at":${timeText(restart?.last_attempt_at ?? null)},` +
    `"last_failure_reason":${text(restart?.last_failure_reason ?? null)},` +
    `"cooldown_until":${timeText(restart?.cooldown_until ?? null)}}`
  );
}

function desiredText(declared: RunnerView["declared"]): string {
  if (declared === undefined) return "null";
  return `{"driver":${text(declared.driver)},"interval_sec":${declared.intervalSec}}`;
}

function nameText(runner: string): string {
  const [kind = "", name = "", profile = ""] = runner.split("/");
  return `"runner":"${runner}","kind":"${kind}","name":"${name}","profile":"${profile}"`;
}

/**
 * The item as JSON text, put together by hand: of a page of 1,000 this is most of the work.
 * @param now epoch ms on the server's clock, for the age of the last heartbeat.
 */
export function runnerPart(view: RunnerView, now: number): Part {
  const { status, beat, figures, restart, current } = view;
  const lastAt = beat?.last_heartbeat_at ?? null;
  const skew = figures?.ts == null || lastAt === null ? null : figures.ts - lastAt;
  const health = beat === undefined ? "null" : `"${healthOf(beat.health)}"`;
  const open =
    `{${nameText(view.runner)},"status":"${status.status}","status_since":${timeText(status.since)},` +
    `"cause":"${status.cause}","health":${health},"paused":${restart?.paused === 1},` +
    `"retired":${restart?.retired === 1},"managed":${current?.announced !== undefined},` +
    `"duplicate":${view.duplicate},"registered_at":${timeText(restart?.registered_at ?? null)},` +
    `"last_heartbeat_at":${timeText(lastAt)},"interval_sec":${view.intervalSec},` +
    `"clock_skew_ms":${skew},"last_error":${text(figures?.last_error ?? "")},` +
    `"last_error_at":${timeText(figures?.last_error_at ?? null)},` +
    `"process":${current === undefined ? "null" : processText(current, view.restarts)},` +
    `"heartbeat":${beat === undefined || figures === undefined ? "null" : beatText(beat, figures)},` +
    `"restart":${restartText(restart)},"desired":${desiredText(view.declared)}`;
  return agingPart(open, lastAt === null ? null : Math.max(0, now - lastAt));
}
