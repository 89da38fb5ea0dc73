import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { TimelineView } from "../core/read-models.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { streamName } from "../core/subject.ts";
import { formatTime } from "../core/time.ts";
import { listAnswer, part } from "./answer.ts";
import type { Part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { listParameter, timeParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { runnerParameter } from "./processes.ts";
import { addReadRoute } from "./read-route.ts";
import { runnerNameSchema, timeSchema } from "./runner-item.ts";
import { runnerOf, runnerParams, unknownRunner } from "./runners.ts";

const eventSchema = z
  .object({
    stream: z.string(),
    seq: z.number().int(),
    time: timeSchema.describe("When the stream stored it"),
    runner: runnerNameSchema,
    type: z.string().openapi({ example: "process_exited" }),
    by: z.string().describe("Which component on which host said so"),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi("TimelineItem");

const ownQuery = {
  from: timeParameter("Not before this time"),
  to: timeParameter("Not after this time"),
  type: listParameter(
    z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, { error: "must be an event's type" }),
    "Of any of these types",
  ),
  ...pageParameters,
};
const query = { runner: runnerParameter, ...ownQuery };

const positionSchema = z.object({ seq: z.number() });
const schema = listSchema(eventSchema, "Timeline");

export function addTimelineRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/timeline",
      tag: "Fleet",
      summary: "Everything that happened, newest first",
      query,
      answers: { 200: { about: "A page of events", schema } },
      problems: ["invalid_cursor", "unavailable"],
    },
    (then, c, values) => listEvents(then, c, values),
  );
  addReadRoute(
    api,
    {
      path: "/api/v1/runners/{kind}/{name}/{profile}/timeline",
      tag: "Runners",
      summary: "What happened to a runner, newest first",
      query: ownQuery,
      params: runnerParams,
      answers: { 200: { about: "A page of events", schema } },
      problems: ["invalid_cursor", "unknown_runner", "unavailable"],
    },
    (then, c, values) => {
      const runner = runnerOf(c);
      return runner === undefined ? unknownRunner(c) : listEvents(then, c, values, runner);
    },
  );
}

async function listEvents(
  api: Api,
  c: Context,
  values: Values<typeof ownQuery> & { runner?: string | undefined },
  ofPath?: RunnerId,
): Promise<Response> {
  const start = continuation(c, values, positionSchema);
  if (!start.ok) return start.answer;
  const { from, to, type: types, limit } = values;
  const runner = ofPath ?? values.runner;
  const page = api.models.timeline({ runner, types, from, to, limit, after: start.position?.seq });
  const moment = api.monitor.moment();
  const isUnknown =
    ofPath !== undefined &&
    page.items.length === 0 &&
    api.models.runner(ofPath, moment).view === undefined;
  if (isUnknown) return unknownRunner(c);
  const stream = streamName(api.prefixes, "events");
  const parts = page.items.map((view) => eventPart(view, stream));
  const next = page.next === undefined ? undefined : { seq: page.next };
  return await listAnswer(c, parts, nextCursor(c, values, next), asOf(api, page.seq, moment));
}

/** An event as lists show it. */
export function eventPart(view: TimelineView, stream: string): Part {
  return part({
    stream,
    seq: view.stream_seq,
    time: formatTime(view.time),
    runner: view.runner,
    type: view.type,
    by: view.by,
    data: JSON.parse(view.data ?? "{}") as Record<string, unknown>,
  } satisfies z.input<typeof eventSchema>);
}
