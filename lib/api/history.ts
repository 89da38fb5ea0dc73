import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { FIGURES } from "../core/read-models.ts";
import type { BucketView, Figure, SnapshotView } from "../core/read-models.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { formatTime } from "../core/time.ts";
import { listAnswer, part } from "./answer.ts";
import type { Part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { durationParameter, timeParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { addReadRoute } from "./read-route.ts";
import { healthSchema, timeSchema } from "./runner-item.ts";
import { runnerOf, runnerParams, unknownRunner } from "./runners.ts";

const count = z.number().nullable();

const snapshotSchema = z
  .object({
    ts: timeSchema,
    host: z.string(),
    pid: z.number().int(),
    health: healthSchema,
    fps: count,
    detected: count,
    matched: count,
    latency_ms: count,
    last_error: z.string(),
    seq: z.number().int().nullable().describe("The runner's own counter"),
  })
  .openapi("Snapshot");

const spreadSchema = z
  .object({ mean: z.number(), min: z.number(), max: z.number() })
  .nullable()
  .describe("Null where no snapshot had the figure");

const bucketSchema = z
  .object({
    ts: timeSchema.describe("Start of the span of time"),
    count: z.number().int().describe("Snapshots within it"),
    errors: z.number().int().describe("Of them with an error"),
    fps: spreadSchema,
    detected: spreadSchema,
    matched: spreadSchema,
    latency_ms: spreadSchema,
  })
  .openapi("SnapshotBucket");

const query = {
  from: timeParameter("Not before this time"),
  to: timeParameter("Not after this time"),
  every: durationParameter("Puts together what fell into each span of this length, for graphs"),
  ...pageParameters,
};

const snapshotPosition = z.object({ ts: z.number(), heartbeatSeq: z.number() });
const bucketPosition = z.object({ ts: z.number() });

export function addHistoryRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/runners/{kind}/{name}/{profile}/history",
      tag: "Runners",
      summary: "A runner's snapshots, newest first",
      about:
        "At most one a minute is kept of a runner, and every one with an error. With `every`, " +
        "count, mean, least and most of each span of time.",
      query,
      params: runnerParams,
      answers: {
        200: {
          about: "A page of snapshots, or of spans of time",
          schema: listSchema(z.union([snapshotSchema, bucketSchema]), "SnapshotList"),
        },
      },
      problems: ["invalid_cursor", "unknown_runner", "unavailable"],
    },
    async (then, c, values) => {
      const runner = runnerOf(c);
      if (runner === undefined) return unknownRunner(c);
      const { every } = values;
      return every === undefined
        ? await listSnapshots(then, c, runner, values)
        : await listBuckets(then, c, runner, every, values);
    },
  );
}

async function listSnapshots(
  api: Api,
  c: Context,
  runner: RunnerId,
  values: Values<typeof query>,
): Promise<Response> {
  const start = continuation(c, values, snapshotPosition);
  if (!start.ok) return start.answer;
  const { from, to, limit } = values;
  const page = api.models.snapshots({ runner, from, to, limit, after: start.position });
  return await answer(api, c, runner, values, {
    parts: page.items.map((item) => snapshotPart(item)),
    next: page.next,
    seq: page.seq,
  });
}

async function listBuckets(
  api: Api,
  c: Context,
  runner: RunnerId,
  everyMs: number,
  values: Values<typeof query>,
): Promise<Response> {
  const start = continuation(c, values, bucketPosition);
  if (!start.ok) return start.answer;
  const { from, to, limit } = values;
  const page = api.models.buckets({ runner, from, to, everyMs, limit, after: start.position?.ts });
  return await answer(api, c, runner, values, {
    parts: page.items.map((item) => bucketPart(item)),
    next: page.next === undefined ? undefined : { ts: page.next },
    seq: page.seq,
  });
}

interface Found {
  readonly parts: readonly Part[];
  readonly next: object | undefined;
  readonly seq: number;
}

async function answer(
  api: Api,
  c: Context,
  runner: RunnerId,
  values: Values<typeof query>,
  { parts, next, seq }: Found,
): Promise<Response> {
  const moment = api.monitor.moment();
  const isUnknown = parts.length === 0 && api.models.runner(runner, moment).view === undefined;
  if (isUnknown) return unknownRunner(c);
  return await listAnswer(c, parts, nextCursor(c, values, next), asOf(api, seq, moment));
}

function snapshotPart({ ts, heartbeat_seq: _seq, ...figures }: SnapshotView): Part {
  return part({ ts: formatTime(ts), ...figures } satisfies z.input<typeof snapshotSchema>);
}

function bucketPart({ ts, count, errors, figures }: BucketView): Part {
  const spreads = Object.fromEntries(FIGURES.map((name) => [name, figures[name]]));
  return part({
    ts: formatTime(ts),
    count,
    errors,
    ...(spreads as Record<Figure, z.input<typeof spreadSchema>>),
  } satisfies z.input<typeof bucketSchema>);
}
