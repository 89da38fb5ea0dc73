import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import type { CheckpointView, Counts, Moment, Summary } from "../core/read-models.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import { STATUSES } from "../core/status.ts";
import { formatTime } from "../core/time.ts";
import { asOfSchema, objectAnswer } from "./answer.ts";
import type { Part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import type { StreamState } from "./pipeline-watch.ts";
import { addReadRoute } from "./read-route.ts";
import { runnerNameSchema, timeSchema } from "./runner-item.ts";
import { timeText } from "./time-text.ts";

const count = z.number().int().min(0);

function countsOf<Key extends string>(keys: readonly Key[]) {
  return z.object(Object.fromEntries(keys.map((key) => [key, count])) as Record<Key, typeof count>);
}

const counts = {
  total: count,
  status: countsOf(STATUSES),
  health: countsOf(HEALTH_VALUES).describe("Of those that ever reported"),
};
const kindSchema = z.object(counts);

const projectionSchema = z.object({
  name: z.string(),
  version: z.number().int(),
  partition: z.number().int(),
  seq: z.number().int(),
  lag: z
    .number()
    .int()
    .nullable()
    .describe("Messages of its stream that are not folded yet; null while that is unknown"),
  updated_at: timeSchema,
  state: z.enum(["running", "stopped"]),
});

const summarySchema = z
  .object({
    ...counts,
    kinds: z.object(
      Object.fromEntries(RUNNER_KINDS.map((kind) => [kind, kindSchema])) as Record<
        (typeof RUNNER_KINDS)[number],
        typeof kindSchema
      >,
    ),
    oldest_silence: z
      .object({
        runner: runnerNameSchema,
        last_heartbeat_at: timeSchema,
        age_ms: z.number().int(),
      })
      .nullable()
      .describe("The runner that should beat and has been silent for longest"),
    projections: z.array(projectionSchema),
    as_of: asOfSchema,
  })
  .openapi("Summary");

export function addSummaryRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/summary",
      tag: "Fleet",
      summary: "How many runners are how, zeros included",
      query: {},
      answers: { 200: { about: "Counts, without retired runners", schema: summarySchema } },
      problems: ["unavailable"],
    },
    (then, c) => showSummary(then, c),
  );
}

async function showSummary(api: Api, c: Context): Promise<Response> {
  const moment = api.monitor.moment();
  const { part, seq } = summaryPart(api, moment);
  return await objectAnswer(c, part, asOf(api, seq, moment));
}

/** The counts as text, and how far their stream was folded. */
export function summaryPart(
  api: Pick<Api, "models" | "monitor">,
  moment: Moment,
): { part: Part; seq: number } {
  const summary = api.models.summary(moment);
  const counted = {
    ...plain(summary),
    kinds: summary.kinds,
    projections: projectionsOf(api.models.checkpoints().rows, api.monitor.streams()),
  };
  // The silence comes last: of all this, only its age grows by itself.
  const open = JSON.stringify(counted).slice(0, -1);
  return { part: withSilence(open, summary, moment), seq: summary.seq };
}

function withSilence(open: string, { oldestSilence }: Summary, { now }: Moment): Part {
  if (oldestSilence === undefined)
    return { lasting: `${open},"oldest_silence":null}`, passing: "" };
  const { runner, lastHeartbeatAt } = oldestSilence;
  const silence = `{"runner":"${runner}","last_heartbeat_at":${timeText(lastHeartbeatAt)}`;
  return {
    lasting: `${open},"oldest_silence":${silence}`,
    passing: `,"age_ms":${Math.max(0, now - lastHeartbeatAt)}}}`,
  };
}

function plain({ total, status, health }: Counts): Counts {
  return { total, status, health };
}

/** Every projection of the full tables, with how many messages it has before it. */
export function projectionsOf(
  checkpoints: readonly CheckpointView[],
  streams: readonly StreamState[],
): z.input<typeof projectionSchema>[] {
  return checkpoints
    .filter((row) => row.lane === "main")
    .map((row) => ({
      name: row.projection,
      version: row.version,
      partition: row.partition,
      seq: row.seq,
      lag: lagOf(row, streams),
      updated_at: formatTime(row.updated_at),
      state: row.state,
    }));
}

/** A stream that was made anew has all of its messages before it. */
export function lagOf(row: CheckpointView, streams: readonly StreamState[]): number | null {
  const stream = streams.find((state) => state.stream === row.stream);
  if (stream === undefined) return null;
  const folded = stream.created === row.stream_created ? row.seq : 0;
  return Math.max(0, stream.lastSeq - folded);
}
