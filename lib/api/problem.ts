/** Errors as `application/problem+json`. Source: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457 */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { ErrorCode } from "../core/errors.ts";
import { redact, redactDeep, redactJson } from "../core/redact.ts";

interface ProblemKind {
  readonly status: ContentfulStatusCode;
  readonly title: string;
}

/** Every problem that the API answers with; the code is for programs, the title for people. */
export const PROBLEMS = {
  invalid_parameter: { status: 400, title: "A parameter is not right" },
  unknown_parameter: { status: 400, title: "There is no such parameter" },
  invalid_cursor: { status: 400, title: "The cursor is not one of ours" },
  invalid_json: { status: 400, title: "The body is not JSON" },
  invalid_body: { status: 400, title: "The body is not right" },
  invalid: { status: 400, title: "The request is not right" },
  unauthorized: { status: 401, title: "A key is needed" },
  forbidden: { status: 403, title: "The key is not good for this" },
  not_found: { status: 404, title: "There is nothing here" },
  unknown_runner: { status: 404, title: "There is no such runner" },
  unknown_worker: { status: 404, title: "The worker was never registered" },
  method_not_allowed: { status: 405, title: "The method is not allowed here" },
  not_acceptable: { status: 406, title: "No answer in an accepted form" },
  no_enforcer: { status: 409, title: "No enforcer has the runner" },
  conflict: { status: 409, title: "It conflicts with what is there" },
  too_large: { status: 413, title: "The body is too large" },
  unsupported_media_type: { status: 415, title: "The body is not of a form that is taken" },
  key_reused: { status: 422, title: "The Idempotency-Key was used for something else" },
  rate_limited: { status: 429, title: "Too many at once" },
  internal: { status: 500, title: "Runbeat failed" },
  unavailable: { status: 503, title: "Not available at present" },
  not_ready: { status: 503, title: "Not ready yet" },
} as const satisfies Record<string, ProblemKind>;
export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_MEDIA_TYPE = "application/problem+json";

export const problemSchema = z
  .looseObject({
    type: z.string().describe("Where this kind of problem is explained"),
    title: z.string(),
    status: z.number().int(),
    detail: z.string().describe("What is wrong here, and what to do"),
    instance: z.string().describe("The path that was asked for"),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
  })
  .openapi("Problem", {
    example: {
      type: "/docs#problem-unknown_runner",
      title: PROBLEMS.unknown_runner.title,
      status: 404,
      detail: "There is no runner camera/front-door/hd: nothing was ever heard of it",
      instance: "/api/v1/runners/camera/front-door/hd",
      code: "unknown_runner",
    },
  });

/** What the core calls its failures, as the API does. */
export const CODE_OF_ERROR: Record<ErrorCode, ProblemCode> = {
  invalid: "invalid",
  not_found: "not_found",
  conflict: "conflict",
  unavailable: "unavailable",
  forbidden: "forbidden",
  internal: "internal",
};

/** Seconds after which what is not available at present is worth asking for again. */
const RETRY_AFTER_SEC = 2;

/**
 * Answers with a problem. `detail` says what is wrong and what to do about it; `more` is for
 * programs, beside the members that every problem has.
 */
export function problem(
  c: Context,
  code: ProblemCode,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
  more: Readonly<Record<string, unknown>> = {},
): Response {
  const { status, title } = PROBLEMS[code];
  const body: z.input<typeof problemSchema> = {
    type: `/docs#problem-${code}`,
    title,
    status,
    detail: redact(detail),
    instance: c.req.path,
    code,
    ...(redactDeep(more) as typeof more),
  };
  const retry = status === 503 ? { "retry-after": String(RETRY_AFTER_SEC) } : {};
  return c.body(redactJson(JSON.stringify(body)), status, {
    "content-type": PROBLEM_MEDIA_TYPE,
    "cache-control": "no-store",
    ...retry,
    ...headers,
  });
}
