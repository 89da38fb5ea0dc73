/** Model workers: they register once, then post who they are, when, and how they feel. */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { eventBody } from "../core/event.ts";
import type { EventData } from "../core/event.ts";
import { instantSchema } from "../core/heartbeat-schema.ts";
import { HEALTH_VALUES, MAX_HOST_CHARS, UNKNOWN_HOST } from "../core/heartbeat.ts";
import type { JsonObject } from "../core/heartbeat.ts";
import { tryParseRunnerId } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { Api } from "./api.ts";
import { checkHeartbeat, isObject, tokenOf } from "./ingest-check.ts";
import { MAX_SINGLE_BYTES, storedSchema } from "./ingest-camera.ts";
import { admit, store } from "./ingest-gate.ts";
import { KnownWorkers } from "./known-workers.ts";
import { problem } from "./problem.ts";
import { runnerNameSchema } from "./runner-item.ts";

/** A process that does not say its PID still is one. */
const DEFAULT_PID = 1;
/** Registering the same again within this time is one event. */
const SAME_REGISTRATION_MS = 60_000;

const token = z.union([z.string().min(1), z.number().int()]);
const label = z.string().max(255);

const heartbeatBody = z
  .looseObject({
    worker_id: token,
    timestamp: instantSchema.optional(),
    health_status: z
      .string()
      .optional()
      .describe(`${HEALTH_VALUES.join(", ")}, in any case`),
    pid: z.number().int().min(1).optional(),
    profile: token.optional().describe("`default` unless given"),
  })
  .openapi("WorkerHeartbeat", {
    example: { worker_id: "gpu-0", timestamp: "2026-01-31T03:12:00Z", health_status: "healthy" },
  });

const registrationBody = z
  .object({
    worker_id: token,
    host: z.string().max(MAX_HOST_CHARS).optional(),
    pid: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
    labels: z.record(z.string(), label).optional(),
  })
  .openapi("WorkerRegistration", {
    example: { worker_id: "gpu-0", host: "edge-1", labels: { backend: "cuda" } },
  });

const registeredSchema = z
  .object({ ok: z.literal(true), runner: runnerNameSchema })
  .openapi("RegisteredWorker");

const PROBLEMS = [
  "invalid_json",
  "invalid_body",
  "unauthorized",
  "forbidden",
  "too_large",
  "unsupported_media_type",
  "rate_limited",
  "unavailable",
] as const;

export function addWorkerIngest(api: Api): void {
  const known = new KnownWorkers(api);
  api.router.add(
    {
      method: "post",
      path: "/v1/heartbeat",
      tag: "Ingest",
      summary: "A registered worker's heartbeat",
      about: "Becomes `worker/<worker_id>/default`.",
      guard: "ingest",
      query: {},
      body: heartbeatBody,
      answers: { 200: { about: "The stream has stored it", schema: storedSchema } },
      problems: [...PROBLEMS, "unknown_worker"],
    },
    (c) => takeWorkerHeartbeat(api, c, known),
  );
  api.router.add(
    {
      method: "post",
      path: "/v1/workers",
      tag: "Ingest",
      summary: "Registers a worker",
      guard: "ingest",
      query: {},
      body: registrationBody,
      answers: {
        200: { about: "It was known before", schema: registeredSchema },
        201: { about: "It is known from now on", schema: registeredSchema },
      },
      problems: PROBLEMS,
    },
    (c) => register(api, c, known),
  );
}

async function takeWorkerHeartbeat(api: Api, c: Context, known: KnownWorkers): Promise<Response> {
  const admission = await admit(api, c, { maxBytes: MAX_SINGLE_BYTES, withoutKey: "unauthorized" });
  if (!admission.ok) return admission.answer;
  const { body, grant } = admission;
  const id = isObject(body) ? tokenOf(body["worker_id"]) : undefined;
  if (!isObject(body) || id === undefined) return invalid(api, c, "worker_id must name the worker");
  const { worker_id: _id, timestamp, health_status, profile = "default", ...rest } = body;
  const health = healthOf(health_status);
  if (health === undefined) {
    return invalid(api, c, `health_status must be one of ${HEALTH_VALUES.join(", ")}`);
  }
  const given: JsonObject = { pid: DEFAULT_PID, ...rest };
  if (timestamp != null) given["ts"] = timestamp;
  if (health !== null) given["health"] = health;
  const checked = checkHeartbeat(`worker/${id}/${tokenOf(profile) ?? ""}`, given);
  if (!checked.ok) {
    api.ingest.count("invalid");
    return problem(c, checked.code, checked.detail);
  }
  if (!grant.may("heartbeat", checked.runner)) return forbidden(api, c, grant.id, checked.runner);
  if (!(await known.has(checked.runner))) {
    api.ingest.count("unknown_worker");
    const detail = `The worker ${id} was never registered: POST /v1/workers first, or declare it in the fleet file`;
    return problem(c, "unknown_worker", detail);
  }
  const seq = await store(api, checked.runner, checked.data);
  return c.json({ ok: true, runner: checked.runner, seq }, 200);
}

/** Null where nothing is said, undefined where it is no health. */
function healthOf(text: unknown): string | null | undefined {
  if (text == null) return null;
  if (typeof text !== "string") return undefined;
  return HEALTH_VALUES.find((value) => value === text.toLowerCase());
}

async function register(api: Api, c: Context, known: KnownWorkers): Promise<Response> {
  const admission = await admit(api, c, { maxBytes: MAX_SINGLE_BYTES, withoutKey: "unauthorized" });
  if (!admission.ok) return admission.answer;
  const parsed = registrationBody.safeParse(admission.body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return problem(c, "invalid_body", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const { worker_id, host = UNKNOWN_HOST, pid, labels = {} } = parsed.data;
  const runner = tryParseRunnerId(`worker/${worker_id}/default`);
  if (runner === undefined) {
    return problem(c, "invalid_body", "worker_id must be 1-64 characters A-Z a-z 0-9 _ -");
  }
  if (!admission.grant.may("register", runner)) {
    return problem(c, "forbidden", `The key ${admission.grant.id} may not register ${runner}`);
  }
  const wasKnown = await known.has(runner);
  const data = { host, labels, ...(pid === undefined ? {} : { pid }) };
  await publishRegistration(api, runner, data);
  known.add(runner);
  return c.json({ ok: true, runner }, wasKnown ? 200 : 201);
}

/** Every registration is an event: host, PID and labels may be others than last time. */
async function publishRegistration(
  api: Api,
  runner: RunnerId,
  data: EventData<"worker_registered">,
): Promise<void> {
  const now = Date.now();
  const body = eventBody("worker_registered", `api@${hostname()}`, now, data);
  const about = JSON.stringify([runner, data, Math.floor(now / SAME_REGISTRATION_MS)]);
  const id = `worker_registered-${createHash("sha256").update(about).digest("base64url")}`;
  await api.streams.publishEvent(runner, "worker_registered", body, id);
}

function invalid(api: Api, c: Context, detail: string): Response {
  api.ingest.count("invalid");
  return problem(c, "invalid_body", detail);
}

function forbidden(api: Api, c: Context, key: string, runner: RunnerId): Response {
  api.ingest.count("forbidden");
  return problem(c, "forbidden", `The key ${key} is not good for ${runner}`);
}
