/** Heartbeats as they are on the wire, one or up to 1,000 at once. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import { heartbeatSchema } from "../core/heartbeat-schema.ts";
import type { Api } from "./api.ts";
import { checkHeartbeat, isObject } from "./ingest-check.ts";
import { storedSchema } from "./ingest-camera.ts";
import { admit, store } from "./ingest-gate.ts";
import type { Admitted } from "./ingest-gate.ts";
import type { IngestGrant } from "./keys.ts";
import { problem, PROBLEMS } from "./problem.ts";
import type { ProblemCode } from "./problem.ts";

const MAX_ITEMS = 1_000;

const heartbeat = heartbeatSchema
  .extend({ runner: z.string().describe("kind/name/profile") })
  .openapi("Heartbeat", {
    example: { runner: "process/nightly/default", pid: 4711, interval_sec: 10 },
  });

const resultSchema = z.object({
  runner: z.string().nullable(),
  ok: z.boolean(),
  seq: z.number().int().optional().describe("Of the heartbeat in its stream, where it was stored"),
  error: z
    .object({ code: z.enum(Object.keys(PROBLEMS) as [ProblemCode]), detail: z.string() })
    .optional()
    .describe("Why it was not stored"),
});
type Result = z.infer<typeof resultSchema>;

const resultsSchema = z
  .object({ items: z.array(resultSchema).describe("In the order of the heartbeats") })
  .openapi("HeartbeatResults");

export function addBatchIngest(api: Api): void {
  const { maxBodyBytes } = api;
  api.router.add(
    {
      method: "post",
      path: "/api/v1/heartbeats",
      tag: "Ingest",
      summary: "One heartbeat, or up to 1,000",
      about:
        "An array is answered with a result for each of its heartbeats: 202 where all were stored, " +
        "207 where some were. Where none was, the problem has the results as `items`.",
      guard: "ingest",
      query: {},
      body: z.union([heartbeat, z.array(heartbeat).min(1).max(MAX_ITEMS)]),
      answers: {
        202: {
          about: "The stream has stored all of it",
          schema: z.union([storedSchema, resultsSchema]),
        },
        207: { about: "The stream has stored some of them", schema: resultsSchema },
      },
      problems: [
        "invalid_json",
        "invalid_body",
        "unauthorized",
        "forbidden",
        "too_large",
        "unsupported_media_type",
        "rate_limited",
        "unavailable",
      ],
    },
    async (c) => {
      const admission = await admit(api, c, { maxBytes: maxBodyBytes, withoutKey: "unauthorized" });
      if (!admission.ok) return admission.answer;
      return Array.isArray(admission.body)
        ? await takeMany(api, c, admission, admission.body)
        : await takeOne(api, c, admission);
    },
  );
}

async function takeOne(api: Api, c: Context, { body, grant }: Admitted): Promise<Response> {
  const result = await take(api, grant, body);
  if (result.ok) return c.json(result, 202);
  const { code = "internal", detail = "" } = result.error ?? {};
  return problem(c, code, detail);
}

async function takeMany(
  api: Api,
  c: Context,
  { grant, takeMore }: Admitted,
  bodies: readonly unknown[],
): Promise<Response> {
  if (bodies.length === 0) return problem(c, "invalid_body", "The array is empty");
  if (bodies.length > MAX_ITEMS) {
    const detail = `The array holds ${bodies.length} heartbeats, at most ${MAX_ITEMS} are taken at once`;
    return problem(c, "too_large", detail);
  }
  const refusal = takeMore(bodies.length - 1);
  if (refusal !== undefined) return refusal;
  // All of them are on their way before the first answer: the stream stores them in this order.
  const items = await Promise.all(bodies.map(async (body) => await take(api, grant, body)));
  return answerAll(c, items);
}

function answerAll(c: Context, items: readonly Result[]): Response {
  const failed = items.filter(({ ok }) => !ok);
  if (failed.length === 0) return c.json({ items }, 202);
  if (failed.length < items.length) return c.json({ items }, 207);
  const codes = new Set(failed.map(({ error }) => error?.code));
  const code = codes.has("unavailable")
    ? "unavailable"
    : codes.size === 1
      ? (failed[0]?.error?.code ?? "invalid_body")
      : "invalid_body";
  const detail = `None of the ${items.length} heartbeats was stored: items says why of each`;
  return problem(c, code, detail, {}, { items });
}

/** One heartbeat's whole way; it never throws for what is foreseen. */
async function take(api: Api, grant: IngestGrant, body: unknown): Promise<Result> {
  if (!isObject(body) || typeof body["runner"] !== "string") {
    api.ingest.count("invalid");
    const detail = "A heartbeat must be a JSON object with its runner: kind/name/profile";
    return { runner: null, ok: false, error: { code: "invalid_body", detail } };
  }
  const checked = checkHeartbeat(body["runner"], body);
  const runner = body["runner"].slice(0, 200);
  if (!checked.ok) {
    api.ingest.count("invalid");
    return { runner, ok: false, error: { code: checked.code, detail: checked.detail } };
  }
  if (!grant.may("heartbeat", checked.runner)) {
    api.ingest.count("forbidden");
    const detail = `The key ${grant.id} is not good for ${runner}`;
    return { runner, ok: false, error: { code: "forbidden", detail } };
  }
  try {
    return { ok: true, runner, seq: await store(api, checked.runner, checked.data) };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { runner, ok: false, error: { code: "unavailable", detail: error.message } };
  }
}
