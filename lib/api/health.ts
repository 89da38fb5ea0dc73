/** Whether Runbeat itself is well. Source: draft-inadarei-api-health-check-06. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import { formatTime } from "../core/time.ts";
import type { Api } from "./api.ts";
import { STATES, componentSchema } from "./health-component.ts";
import type { Component, State } from "./health-component.ts";
import { standingComponents } from "./health-standing.ts";
import { problem } from "./problem.ts";
import { lagOf } from "./summary.ts";

const HEALTH_MEDIA_TYPE = "application/health+json";
/** A longer write-ahead log means that readers hold it, or that the projector can't empty it. */
const WAL_WARN_BYTES = 256 * 1024 * 1024;
/** Behind for longer than this is worth a word, long before statuses are unknown. */
const LAG_WARN_MS = 2_000;

const healthSchema = z
  .object({
    status: z.enum(STATES),
    version: z.string(),
    description: z.string(),
    checks: z.record(z.string(), z.array(componentSchema)),
  })
  .openapi("Health");

const livenessSchema = z.object({ status: z.literal("ok") }).openapi("Alive");

export function addHealthRoutes(api: Api): void {
  api.router.add(
    {
      method: "get",
      path: "/livez",
      tag: "Operation",
      summary: "The process lives",
      guard: "open",
      query: {},
      answers: { 200: { about: "It does", schema: livenessSchema } },
      problems: [],
    },
    (c) => c.json({ status: "ok" }, 200, { "cache-control": "no-store" }),
  );
  api.router.add(
    {
      method: "get",
      path: "/readyz",
      tag: "Operation",
      summary: "The read models have caught up once",
      guard: "open",
      query: {},
      answers: { 200: { about: "They have", schema: livenessSchema } },
      problems: ["not_ready"],
    },
    (c) => showReadiness(api, c),
  );
  api.router.add(
    {
      method: "get",
      path: "/healthz",
      tag: "Operation",
      summary: "How each part of Runbeat is",
      guard: "open",
      query: {},
      answers: {
        200: { about: "Well, or nearly", schema: healthSchema, mediaType: HEALTH_MEDIA_TYPE },
        503: { about: "Something failed", schema: healthSchema, mediaType: HEALTH_MEDIA_TYPE },
      },
      problems: [],
    },
    (c) => showHealth(api, c),
  );
}

function showReadiness({ monitor, models }: Api, c: Context): Response {
  if (monitor.hasCaughtUp() && models.isLoaded()) {
    return c.json({ status: "ok" }, 200, { "cache-control": "no-store" });
  }
  const trouble = monitor.trouble();
  const why = trouble === undefined ? "the projector is still folding" : `NATS: ${trouble}`;
  return problem(c, "not_ready", `The read models have not caught up yet: ${why}`);
}

function showHealth(api: Api, c: Context): Response {
  const time = formatTime(api.monitor.moment().now);
  const checks: Record<string, Component[]> = {
    "nats:connection": [nats(api, time)],
    ...clock(api, time),
    ...storage(api, time),
    ...missing(api, time),
  };
  const states = Object.values(checks).flatMap((components) =>
    components.map(({ status }) => status),
  );
  const status = worst(states);
  const body: z.input<typeof healthSchema> = {
    status,
    version: api.version,
    description: "Runbeat read API",
    checks,
  };
  return c.body(JSON.stringify(body), status === "fail" ? 503 : 200, {
    "content-type": HEALTH_MEDIA_TYPE,
    "cache-control": "no-store",
  });
}

function worst(states: readonly State[]): State {
  if (states.includes("fail")) return "fail";
  return states.includes("warn") ? "warn" : "pass";
}

function nats({ monitor, streams }: Api, time: string): Component {
  const trouble = monitor.trouble();
  const isUp = streams.isConnected();
  const base = {
    componentType: "component",
    observedValue: isUp ? "connected" : "disconnected",
    time,
  };
  if (trouble === undefined && isUp) return { ...base, status: "pass" };
  return { ...base, status: "fail", output: trouble ?? "NATS is out of reach" };
}

/** Only of an import, so that nobody takes what was for what is. */
function clock({ monitor }: Api, time: string): Record<string, Component[]> {
  const standsAt = monitor.standsAt();
  if (standsAt === undefined) return {};
  const output = "An export is shown as it stood at its end: this is the past";
  const still = { componentType: "system", observedValue: formatTime(standsAt), output, time };
  return { "pipeline:clock": [{ ...still, status: "pass" }] };
}

/** Everything that is read from the database; one failed component where there is none. */
function storage(api: Api, time: string): Record<string, Component[]> {
  try {
    const { rows } = api.models.checkpoints();
    const standing = api.models.standing();
    const outdated = new Set(standing.projector?.outdated);
    const projections = rows
      .filter((row) => row.lane === "main")
      .map((row) => [
        `projection:${row.projection}`,
        [projection(api, row, outdated.has(row.projection), time)],
      ]);
    return {
      ...standingComponents(standing, Date.now()),
      "database:wal": [database(api, time)],
      "pipeline:lag": [lag(api, time)],
      ...(Object.fromEntries(projections) as Record<string, Component[]>),
    };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const missing = { componentType: "datastore", observedValue: null, time };
    return { "database:file": [{ ...missing, status: "fail", output: error.message }] };
  }
}

/** Read models of the user's own that could not be loaded. */
function missing({ missingProjections = [] }: Api, time: string): Record<string, Component[]> {
  return Object.fromEntries(
    missingProjections.map(({ name, problem }) => [
      `projection:${name}`,
      [{ componentType: "component", status: "fail", observedValue: null, output: problem, time }],
    ]),
  );
}

function database({ models }: Api, time: string): Component {
  const { walBytes, file } = models.health();
  const isLong = walBytes > WAL_WARN_BYTES;
  return {
    componentType: "datastore",
    status: isLong ? "warn" : "pass",
    observedValue: walBytes,
    observedUnit: "bytes",
    ...(isLong ? { output: `The write-ahead log of ${file} is long: a reader holds it` } : {}),
    time,
  };
}

/** Statuses are unknown once it is too long: then Runbeat itself is not well. */
function lag({ monitor }: Api, time: string): Component {
  const lagMs = monitor.lagMs();
  const isBlind = monitor.moment().view.blindSince !== null;
  const status = isBlind ? "fail" : (lagMs ?? 0) > LAG_WARN_MS ? "warn" : "pass";
  return {
    componentType: "system",
    status,
    observedValue: lagMs,
    observedUnit: "ms",
    ...(isBlind
      ? { output: "Statuses are unknown: the read models are behind, or NATS is out of reach" }
      : {}),
    time,
  };
}

type Checkpoint = ReturnType<Api["models"]["checkpoints"]>["rows"][number];

function projection(
  { monitor }: Api,
  row: Checkpoint,
  isOutdated: boolean,
  time: string,
): Component {
  const base = {
    componentType: "component",
    observedValue: lagOf(row, monitor.streams()),
    observedUnit: "messages behind",
    time,
  };
  if (row.state === "running") {
    const status = isOutdated ? "warn" : "pass";
    return { ...base, status, ...(row.notice === null ? {} : { output: row.notice }) };
  }
  const at = `stopped at message ${row.error_seq ?? "?"} of ${row.stream}`;
  return { ...base, status: "fail", output: `${at}: ${row.error ?? "no reason was given"}` };
}
