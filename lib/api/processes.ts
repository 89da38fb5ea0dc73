import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { PROCESS_STATES } from "../core/current-process.ts";
import type { ProcessView } from "../core/read-models.ts";
import { runnerParts, tryParseRunnerId } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { formatTime, formatTimeOrNull } from "../core/time.ts";
import { listAnswer, part } from "./answer.ts";
import type { Part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { listParameter, textParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { addReadRoute } from "./read-route.ts";
import { runnerFields, statusSchema, timeSchema } from "./runner-item.ts";

const processSchema = z
  .object({
    ...runnerFields,
    host: z.string(),
    pid: z.number().int(),
    started_at: timeSchema.nullable(),
    state: z.enum(PROCESS_STATES),
    status: statusSchema,
    managed: z.boolean().describe("It was announced by whoever started it"),
    effective_args: z.array(z.string()).nullable(),
    effective_env: z.record(z.string(), z.string()).nullable().describe("Secrets masked"),
    last_heartbeat_at: timeSchema.nullable(),
    last_error: z.string(),
    last_error_at: timeSchema.nullable(),
    exit_code: z.number().int().nullable(),
    signal: z.string().nullable(),
    ended_at: timeSchema.nullable(),
    end_reason: z.string().nullable(),
    heartbeat_count: z.number().int(),
  })
  .openapi("Process");

export const runnerParameter = textParameter(
  z
    .string()
    .refine((text) => tryParseRunnerId(text) !== undefined, {
      error: "must be kind/name/profile, for example camera/front-door/hd",
    })
    .optional()
    .openapi({ description: "Of this runner", example: "camera/front-door/hd" }),
);

const query = {
  runner: runnerParameter,
  state: listParameter(z.enum(PROCESS_STATES), "In any of these states"),
  host: textParameter(z.string().optional().describe("On this host")),
  ...pageParameters,
};

const positionSchema = z.object({
  runner: z.string(),
  host: z.string(),
  pid: z.number(),
  startedAt: z.number(),
});

export function addProcessRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/processes",
      tag: "Fleet",
      summary: "All processes, those that ended too, by runner",
      query,
      answers: {
        200: { about: "A page of processes", schema: listSchema(processSchema, "ProcessList") },
      },
      problems: ["invalid_cursor", "unavailable"],
    },
    (then, c, values) => listProcesses(then, c, values),
  );
}

async function listProcesses(
  api: Api,
  c: Context,
  values: Values<typeof query>,
): Promise<Response> {
  const start = continuation(c, values, positionSchema);
  if (!start.ok) return start.answer;
  const moment = api.monitor.moment();
  const { runner, state: states, host, limit } = values;
  const wanted = { runner, states, host, limit, after: start.position };
  const page = await api.models.processes(wanted, moment);
  const parts = page.items.map((view) => processPart(view));
  return await listAnswer(c, parts, nextCursor(c, values, page.next), asOf(api, page.seq, moment));
}

function processPart(view: ProcessView): Part {
  return part({
    runner: view.runner,
    ...runnerParts(view.runner as RunnerId),
    host: view.host,
    pid: view.pid,
    started_at: view.startedAt === 0 ? null : formatTime(view.startedAt),
    state: view.state,
    status: view.status.status,
    managed: view.managed,
    effective_args:
      view.effectiveArgs === null ? null : (JSON.parse(view.effectiveArgs) as string[]),
    effective_env:
      view.effectiveEnv === null ? null : (JSON.parse(view.effectiveEnv) as Record<string, string>),
    last_heartbeat_at: formatTimeOrNull(view.lastHeartbeatAt),
    last_error: view.lastError,
    last_error_at: formatTimeOrNull(view.lastErrorAt),
    exit_code: view.exitCode,
    signal: view.signal,
    ended_at: formatTimeOrNull(view.endedAt),
    end_reason: view.endReason,
    heartbeat_count: view.heartbeatCount,
  } satisfies z.input<typeof processSchema>);
}
