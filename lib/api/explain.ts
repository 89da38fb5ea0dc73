/** Why a runner is in its state: gathers what there is of it and has it explained. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { decodeHeartbeat } from "../core/decode-heartbeat.ts";
import { AppError, messageOf } from "../core/errors.ts";
import { explain, SHOWN_BEATS, SHOWN_EVENTS } from "../core/explain.ts";
import { SECTION_KEYS, TONES } from "../core/explanation.ts";
import type {
  BeatLine,
  BeatSeen,
  Evidence,
  ExplainFacts,
  Explanation,
} from "../core/explanation.ts";
import { HEALTH_VALUES, UNKNOWN_HOST } from "../core/heartbeat.ts";
import { nearestRunner } from "../core/nearest-runner.ts";
import type { Moment, ProcessView, RunnerView } from "../core/read-models.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { CAUSES, STATUSES } from "../core/status.ts";
import { streamName } from "../core/subject.ts";
import { MEMORABLE } from "../core/supposed-memory.ts";
import { formatTime } from "../core/time.ts";
import { asOfSchema, objectAnswer, part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { problem } from "./problem.ts";
import { addReadRoute } from "./read-route.ts";
import { runnerFields, timeSchema } from "./runner-item.ts";
import { runnerOf, runnerParams, unknownRunner } from "./runners.ts";

/** What an enforcer remembers follows from more than what is shown. */
const READ_DEEDS = 100;
/** One more than is shown, for the first one's gap. */
const READ_BEATS = SHOWN_BEATS + 1;
const READ_PROCESSES = 100;
/** Names that are compared with one that nobody knows. */
const MAX_NAMES = 1_000;

const evidenceSchema = z
  .object({ stream: z.string(), seq: z.number().int(), time: timeSchema })
  .openapi("Evidence");

const factSchema = z.object({
  text: z.string(),
  tone: z.enum(TONES),
  evidence: evidenceSchema.nullable().describe("The message that says so"),
});

const beatSchema = z.object({
  stream: z.string(),
  seq: z.number().int().describe("In the stream"),
  time: timeSchema.describe("When the stream stored it"),
  gap_ms: z.number().nullable().describe("Since the one before of the same process"),
  late: z.boolean().describe("Later than promised"),
  lost: z.number().int().describe("Heartbeats between it and the one before that never arrived"),
  count: z.number().int().nullable().describe("The runner's own counter"),
  host: z.string(),
  pid: z.number().int(),
  current: z.boolean().describe("From the current process"),
  health: z.enum(HEALTH_VALUES).nullable(),
  skew_ms: z.number().nullable().describe("The runner's clock minus the stream's"),
  error: z.string(),
});

const sectionSchema = z.object({
  key: z.enum(SECTION_KEYS),
  title: z.string(),
  facts: z.array(factSchema),
});

const explanationSchema = z
  .object({
    ...runnerFields,
    status: z.enum(STATUSES),
    status_since: timeSchema,
    cause: z.enum(CAUSES),
    health: z.enum(HEALTH_VALUES).nullable(),
    headline: z.string().describe("All of it in a few words"),
    change: z
      .object({ status: z.enum(STATUSES), at: timeSchema })
      .nullable()
      .describe("The next status, and when, if nothing more is heard"),
    next: z
      .object({ at: timeSchema, text: z.string() })
      .nullable()
      .describe("What the enforcer does next if nothing else happens"),
    heartbeats: z.array(beatSchema).describe("The last ones, newest last"),
    sections: z.array(sectionSchema),
    as_of: asOfSchema,
  })
  .openapi("Explanation");

export function addExplainRoute(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/runners/{kind}/{name}/{profile}/explain",
      tag: "Runners",
      summary: "Why a runner is in its state, and what happens next",
      about:
        "Each fact comes with the message that says so. What happens next is foretold by the rules that the enforcer goes by, as long as nothing else happens.",
      query: {},
      params: runnerParams,
      answers: { 200: { about: "The explanation", schema: explanationSchema } },
      problems: ["unknown_runner", "unavailable"],
    },
    async (then, c) => await explainRunner(then, c),
  );
}

async function explainRunner(api: Api, c: Context): Promise<Response> {
  const runner = runnerOf(c);
  if (runner === undefined) return unknownRunner(c);
  const moment = api.monitor.moment();
  const { view, seq } = api.models.runner(runner, moment);
  if (view === undefined) return strangerAnswer(api, c, runner, moment);
  const explanation = explain(await gather(api, runner, view, moment));
  return await objectAnswer(c, part(answerOf(explanation)), asOf(api, seq, moment));
}

/** Nothing is known of it: what may have been meant is said. */
function strangerAnswer(api: Api, c: Context, runner: RunnerId, moment: Moment): Response {
  const { items } = api.models.runners(
    {
      kinds: [],
      statuses: [],
      healths: [],
      hosts: [],
      labels: [],
      text: "",
      retired: true,
      sort: { key: "runner", descending: false },
      limit: MAX_NAMES,
      after: undefined,
    },
    moment,
  );
  const nearest = nearestRunner(
    runner,
    items.map((item) => item.runner),
  );
  const hint = nearest.length === 0 ? "" : `. Did you mean ${nearest.join(" or ")}?`;
  const detail = `There is no runner ${runner}: nothing was ever heard of it, and nobody declared it${hint}`;
  return problem(c, "unknown_runner", detail, {}, { nearest });
}

async function gather(
  api: Api,
  runner: RunnerId,
  view: RunnerView,
  moment: Moment,
): Promise<ExplainFacts> {
  const { models, prefixes, rules } = api;
  const query = { runner, from: undefined, to: undefined, after: undefined };
  const last = models.timeline({ ...query, types: [], limit: SHOWN_EVENTS }).items;
  const deeds = models.timeline({ ...query, types: MEMORABLE, limit: READ_DEEDS }).items;
  return {
    runner,
    moment,
    view,
    processes: await processesOf(api, runner, moment),
    beats: await beatsOf(api, runner),
    events: last.toReversed(),
    deeds: deeds.toReversed(),
    eventStream: streamName(prefixes, "events"),
    rules: rules?.current(),
    enforcer: enforcerOf(api, view, moment),
    pipeline: pipelineOf(api),
  };
}

async function processesOf(api: Api, runner: RunnerId, moment: Moment): Promise<ProcessView[]> {
  const query = { runner, host: undefined, states: [], limit: READ_PROCESSES, after: undefined };
  const { items } = await api.models.processes(query, moment);
  return items.toSorted((a, b) => lastSeenAt(b) - lastSeenAt(a));
}

function lastSeenAt({ lastHeartbeatAt, endedAt, startedAt }: ProcessView): number {
  return Math.max(lastHeartbeatAt ?? 0, endedAt ?? 0, startedAt);
}

/** Undefined where the stream can't be read now; the rest is explained all the same. */
async function beatsOf(api: Api, runner: RunnerId): Promise<BeatSeen[] | undefined> {
  const stream = streamName(api.prefixes, "heartbeats");
  try {
    const { items } = await api.streams.heartbeats({
      runner,
      limit: READ_BEATS,
      before: undefined,
    });
    return items.toReversed().flatMap(({ seq, timeMs, data }) => {
      const decoded = decodeHeartbeat(runner, data);
      return decoded.ok ? [{ stream, seq, time: timeMs, heartbeat: decoded.heartbeat }] : [];
    });
  } catch (error) {
    if (error instanceof AppError && error.code === "unavailable") return undefined;
    throw new AppError("internal", `The heartbeats can't be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The enforcer of the runner's host beats like any runner. */
function enforcerOf(api: Api, view: RunnerView, moment: Moment): ExplainFacts["enforcer"] {
  const host = view.current?.host;
  const runner = api.rules?.enforcerOf(host === UNKNOWN_HOST ? undefined : host);
  if (runner === undefined) return undefined;
  return { runner, status: api.models.runner(runner, moment).view?.status.status };
}

function pipelineOf({ models, monitor, prefixes }: Api): ExplainFacts["pipeline"] {
  const { lane, rows } = models.checkpoints();
  const own = rows.filter((row) => row.lane === lane && row.seq > 0);
  const wanted = ["heartbeats", "events"] as const;
  return {
    lagMs: monitor.lagMs(),
    trouble: monitor.trouble(),
    folded: wanted.flatMap((key) => {
      const stream = streamName(prefixes, key);
      const behind = own.filter((row) => row.stream === stream).toSorted((a, b) => a.seq - b.seq);
      const row = behind[0];
      return row === undefined ? [] : [{ stream, seq: row.seq, time: row.time }];
    }),
  };
}

function evidenceOf({ stream, seq, time }: Evidence) {
  return { stream, seq, time: formatTime(time) };
}

function beatOf(line: BeatLine) {
  return {
    ...evidenceOf(line),
    gap_ms: line.gapMs,
    late: line.isLate,
    lost: line.lost,
    count: line.count,
    host: line.host,
    pid: line.pid,
    current: line.isCurrent,
    health: line.health,
    skew_ms: line.skewMs,
    error: line.error,
  };
}

function answerOf(explanation: Explanation): object {
  const { runner, change, next } = explanation;
  const [kind = "", name = "", profile = ""] = runner.split("/");
  return {
    runner,
    kind,
    name,
    profile,
    status: explanation.status,
    status_since: formatTime(explanation.since),
    cause: explanation.cause,
    health: explanation.health,
    headline: explanation.headline,
    change: change === null ? null : { status: change.status, at: formatTime(change.at) },
    next: next === null ? null : { at: formatTime(next.at), text: next.text },
    heartbeats: explanation.heartbeats.map(beatOf),
    sections: explanation.sections.map(({ key, title, facts }) => ({
      key,
      title,
      facts: facts.map(({ text, tone, evidence }) => ({
        text,
        tone,
        evidence: evidence === null ? null : evidenceOf(evidence),
      })),
    })),
  };
}
