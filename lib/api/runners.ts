import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import { SORT_KEYS } from "../core/read-models.ts";
import type { Moment, RunnerQuery, SortKey } from "../core/read-models.ts";
import { RUNNER_KINDS, tryParseRunnerId } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { STATUSES } from "../core/status.ts";
import { listAnswer, objectAnswer } from "./answer.ts";
import { AS_OF_EXAMPLE, asOfSchema } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { flagParameter, listParameter, repeatedParameter, textParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { problem } from "./problem.ts";
import { addReadRoute } from "./read-route.ts";
import { RUNNER_EXAMPLE, runnerPart, runnerSchema } from "./runner-item.ts";

/** Later pages are judged by the moment of the first one, but not by one that is long gone. */
const MAX_CURSOR_AGE_MS = 15 * 60_000;

const SORTS = [...SORT_KEYS, ...SORT_KEYS.map((key) => `-${key}` as const)] as const;

const listQuery = {
  kind: listParameter(z.enum(RUNNER_KINDS), "Any of these kinds"),
  status: listParameter(z.enum(STATUSES), "Any of these statuses"),
  health: listParameter(z.enum(HEALTH_VALUES), "Any of these healths"),
  host: listParameter(z.string(), "On any of these hosts"),
  label: repeatedParameter(
    z
      .string()
      .regex(/^[^:]+:/, { error: "must be key:value, for example backend:cuda" })
      .openapi({ example: "backend:cuda" }),
    "With all of these labels, each `key:value`",
  ),
  q: textParameter(z.string().max(200).default("").describe("Part of the runner's name or host")),
  sort: textParameter(
    z
      .enum(SORTS)
      .default("severity")
      .describe(
        "What comes first; `severity` is worst first, then longest silence. `-` turns it round",
      ),
  ),
  retired: flagParameter("Also runners that were retired"),
  ...pageParameters,
};

/** Where a page of runners ended, and the moment by which the pages of this list are judged. */
const positionSchema = z.object({
  now: z.number(),
  first: z.number(),
  second: z.number(),
  runner: z.string(),
});

export const runnerParams = z.object({
  kind: z.enum(RUNNER_KINDS),
  name: z.string().openapi({ example: "front-door" }),
  profile: z.string().openapi({ example: "hd" }),
});

/** The runner in the path. */
export function runnerOf(c: Context): RunnerId | undefined {
  const { kind = "", name = "", profile = "" } = c.req.param();
  return tryParseRunnerId(`${kind}/${name}/${profile}`);
}

export function unknownRunner(c: Context): Response {
  const { kind = "", name = "", profile = "" } = c.req.param();
  const runner = `${kind}/${name}/${profile}`;
  const detail = `There is no runner ${runner}: nothing was ever heard of it, and nobody declared it`;
  return problem(c, "unknown_runner", detail);
}

export function addRunnerRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/runners",
      tag: "Runners",
      summary: "All runners, worst first",
      query: listQuery,
      answers: {
        200: { about: "A page of runners", schema: listSchema(runnerSchema, "RunnerList") },
      },
      problems: ["invalid_cursor", "unavailable"],
    },
    (then, c, query) => listRunners(then, c, query),
  );
  addReadRoute(
    api,
    {
      path: "/api/v1/runners/{kind}/{name}/{profile}",
      tag: "Runners",
      summary: "One runner",
      query: {},
      params: runnerParams,
      answers: {
        200: {
          about: "The runner",
          schema: runnerSchema.extend({ as_of: asOfSchema }).openapi("RunnerAnswer", {
            example: { ...RUNNER_EXAMPLE, as_of: AS_OF_EXAMPLE },
          }),
        },
      },
      problems: ["unknown_runner", "unavailable"],
    },
    (then, c) => showRunner(then, c),
  );
}

async function listRunners(
  api: Api,
  c: Context,
  query: Values<typeof listQuery>,
): Promise<Response> {
  const from = continuation(c, query, positionSchema);
  if (!from.ok) return from.answer;
  const moment = momentOf(api, from.position?.now);
  const page = api.models.runners(queryOf(query, from.position), moment);
  const parts = page.items.map((view) => runnerPart(view, moment.now));
  const next = page.next === undefined ? undefined : { now: moment.now, ...page.next };
  return await listAnswer(c, parts, nextCursor(c, query, next), asOf(api, page.seq, moment));
}

function momentOf({ monitor }: Api, ofFirstPage: number | undefined): Moment {
  const moment = monitor.moment();
  if (ofFirstPage === undefined || moment.now - ofFirstPage > MAX_CURSOR_AGE_MS) return moment;
  return { ...moment, now: ofFirstPage };
}

function queryOf(query: Values<typeof listQuery>, after: RunnerQuery["after"]): RunnerQuery {
  const descending = query.sort.startsWith("-");
  return {
    kinds: query.kind,
    statuses: query.status,
    healths: query.health,
    hosts: query.host,
    labels: query.label,
    text: query.q.toLowerCase(),
    retired: query.retired,
    sort: { key: query.sort.replace("-", "") as SortKey, descending },
    limit: query.limit,
    after,
  };
}

async function showRunner(api: Api, c: Context): Promise<Response> {
  const runner = runnerOf(c);
  if (runner === undefined) return unknownRunner(c);
  const moment = api.monitor.moment();
  const { view, seq } = api.models.runner(runner, moment);
  if (view === undefined) return unknownRunner(c);
  return await objectAnswer(c, runnerPart(view, moment.now), asOf(api, seq, moment));
}
