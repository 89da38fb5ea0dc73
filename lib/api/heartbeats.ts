import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { decodeHeartbeat } from "../core/decode-heartbeat.ts";
import { CAMERA_STATES, HEALTH_VALUES, REJECT_REASONS } from "../core/heartbeat.ts";
import type { Heartbeat } from "../core/heartbeat.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { formatTime, formatTimeOrNull } from "../core/time.ts";
import { listAnswer, part } from "./answer.ts";
import type { Part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { flagParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { addReadRoute } from "./read-route.ts";
import { timeSchema } from "./runner-item.ts";
import { runnerOf, runnerParams, unknownRunner } from "./runners.ts";
import type { StoredHeartbeat } from "./stream-access.ts";

const count = z.number().nullable();
const anything = z.record(z.string(), z.unknown()).nullable();

const heartbeatSchema = z.object({
  pid: z.number().int(),
  host: z.string(),
  started_at: timeSchema.nullable(),
  ts: timeSchema.nullable(),
  seq: z.number().int().nullable(),
  interval_sec: z.number().nullable(),
  health: z.enum(HEALTH_VALUES).nullable(),
  fps: count,
  detected: count,
  matched: count,
  latency_ms: count,
  last_error: z.string(),
  camera_state: z.enum(CAMERA_STATES).nullable(),
  checks: anything,
  metrics: anything,
  labels: anything,
  resources: anything,
  detail: anything,
});

const itemSchema = z
  .object({
    seq: z.number().int().describe("In the stream"),
    time: timeSchema.describe("When the stream stored it"),
    heartbeat: heartbeatSchema.nullable().describe("Null where the message was rejected"),
    rejection: z
      .object({ reason: z.enum(REJECT_REASONS), message: z.string() })
      .nullable()
      .describe("Why it was rejected"),
  })
  .openapi("StoredHeartbeatItem");

const query = {
  all: flagParameter("The whole stream of the runner's heartbeats; the latest only unless given"),
  ...pageParameters,
};

const positionSchema = z.object({ seq: z.number() });

export function addHeartbeatRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/runners/{kind}/{name}/{profile}/heartbeats",
      tag: "Streams",
      summary: "A runner's heartbeats straight from the stream, newest first",
      query,
      params: runnerParams,
      answers: {
        200: {
          about: "The latest heartbeat, or a page of all",
          schema: listSchema(itemSchema, "StoredHeartbeatList"),
        },
      },
      problems: ["invalid_cursor", "unknown_runner", "unavailable"],
    },
    (then, c, values) => {
      const runner = runnerOf(c);
      return runner === undefined ? unknownRunner(c) : listHeartbeats(then, c, runner, values);
    },
  );
}

async function listHeartbeats(
  api: Api,
  c: Context,
  runner: RunnerId,
  values: Values<typeof query>,
): Promise<Response> {
  const start = continuation(c, values, positionSchema);
  if (!start.ok) return start.answer;
  const limit = values.all ? values.limit : 1;
  const before = start.position?.seq;
  const { items, hasMore } = await api.streams.heartbeats({ runner, limit, before });
  const moment = api.monitor.moment();
  const isUnknown = items.length === 0 && !isKnown(api, runner, moment);
  if (isUnknown) return unknownRunner(c);
  const last = items.at(-1);
  const next = values.all && hasMore && last !== undefined ? { seq: last.seq } : undefined;
  const parts = items.map((item) => heartbeatPart(runner, item));
  const newest = items[0]?.seq ?? 0;
  return await listAnswer(c, parts, nextCursor(c, values, next), asOf(api, newest, moment));
}

/** Without read models nothing is known of a runner but its heartbeats. */
function isKnown(
  api: Api,
  runner: RunnerId,
  moment: ReturnType<Api["monitor"]["moment"]>,
): boolean {
  return api.models.isLoaded() && api.models.runner(runner, moment).view !== undefined;
}

function heartbeatPart(runner: RunnerId, { seq, timeMs, data }: StoredHeartbeat): Part {
  const decoded = decodeHeartbeat(runner, data);
  return part({
    seq,
    time: formatTime(timeMs),
    heartbeat: decoded.ok ? heartbeatItem(decoded.heartbeat) : null,
    rejection: decoded.ok ? null : decoded.rejection,
  } satisfies z.input<typeof itemSchema>);
}

function heartbeatItem(heartbeat: Heartbeat): z.input<typeof heartbeatSchema> {
  const { pid, host, seq, health, fps, detected, matched } = heartbeat;
  const { checks, metrics, labels, resources, detail } = heartbeat;
  return {
    pid,
    host,
    started_at: formatTimeOrNull(heartbeat.startedAt === 0 ? null : heartbeat.startedAt),
    ts: formatTimeOrNull(heartbeat.ts),
    seq,
    interval_sec: heartbeat.intervalSec,
    health,
    fps,
    detected,
    matched,
    latency_ms: heartbeat.latencyMs,
    last_error: heartbeat.lastError,
    camera_state: heartbeat.cameraState,
    checks,
    metrics,
    labels,
    resources,
    detail,
  };
}
