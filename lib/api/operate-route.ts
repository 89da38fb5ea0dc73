/** Routes that change something: guarded by the operate key, only for now, once for each key. */
import type { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { redactJson } from "../core/redact.ts";
import { formatTime } from "../core/time.ts";
import type { Api } from "./api.ts";
import type { OperatorAccess } from "./operator-access.ts";
import { instantParameter } from "./parameters.ts";
import { problem } from "./problem.ts";
import type { ProblemCode } from "./problem.ts";
import type { Answered } from "./repeated-requests.ts";
import { readJson } from "./request-body.ts";
import type { RouteSpec } from "./route.ts";

const MAX_BODY_BYTES = 16_384;
const MAX_KEY_CHARS = 200;
/** How long a name of whoever asks may be. */
export const MAX_WHO_CHARS = 100;

const QUERY = {
  at: instantParameter("Refused: what is past can't be changed"),
};
const PROBLEMS = [
  "invalid_json",
  "invalid_body",
  "unauthorized",
  "forbidden",
  "conflict",
  "too_large",
  "unsupported_media_type",
  "key_reused",
  "unavailable",
] as const;

export interface Operation<Body> {
  readonly c: Context;
  readonly body: Body;
  readonly operator: OperatorAccess;
}

/** A refusal with the code of a problem that only these routes have. */
export interface Refused {
  readonly refused: ProblemCode;
  readonly detail: string;
}

/** Lays a route that changes something. Its handler is not run for what is refused beforehand. */
export function addOperateRoute<Body extends z.ZodType>(
  api: Api,
  spec: Pick<
    RouteSpec<typeof QUERY>,
    "path" | "tag" | "summary" | "about" | "params" | "answers"
  > & {
    readonly body: Body;
    readonly problems: readonly ProblemCode[];
  },
  handler: (operation: Operation<z.output<Body>>) => Promise<Answered | Refused>,
): void {
  const problems = [...new Set([...PROBLEMS, ...spec.problems])];
  api.router.add(
    { ...spec, method: "post", guard: "operate", query: QUERY, problems },
    async (c, { at }) => {
      if (at !== undefined) {
        return problem(c, "conflict", "What is past can't be changed: leave at away");
      }
      const closed = whyClosed(api);
      if (closed !== undefined) return problem(c, closed.refused, closed.detail);
      const read = await readJson(c, MAX_BODY_BYTES);
      if (!read.ok) return read.answer;
      const parsed = spec.body.safeParse(read.value);
      if (!parsed.success) return invalidBody(c, parsed.error.issues);
      const operator = api.operator as OperatorAccess;
      const work = async () => await handler({ c, body: parsed.data, operator });
      return await answerOnce(api, c, JSON.stringify(read.value), work);
    },
  );
}

/** Why nothing can be asked for here at present; undefined where it can. */
export function whyClosed(api: Api): Refused | undefined {
  const standsAt = api.monitor.standsAt();
  if (standsAt !== undefined) {
    const detail = `This is an export as it stood at ${formatTime(standsAt)}: nothing of it can be changed`;
    return { refused: "conflict", detail };
  }
  if (api.operator === undefined) {
    return { refused: "unavailable", detail: "This API only reads: it passes no orders on" };
  }
  if (api.streams.isConnected()) return undefined;
  return { refused: "unavailable", detail: "NATS is out of reach: nothing was ordered" };
}

function invalidBody(c: Context, issues: readonly z.core.$ZodIssue[]): Response {
  const [issue] = issues;
  const place = issue?.path.join(".") ?? "";
  return problem(
    c,
    "invalid_body",
    `${place === "" ? "the body" : place}: ${issue?.message ?? ""}`,
  );
}

class RefusedError extends Error {
  readonly why: Refused;

  constructor(why: Refused) {
    super(why.detail);
    this.why = why;
  }
}

/** @param about the body as it was sent. */
async function answerOnce(
  api: Api,
  c: Context,
  about: string,
  work: () => Promise<Answered | Refused>,
): Promise<Response> {
  const key = c.req.header("idempotency-key") ?? "";
  if (key.length > MAX_KEY_CHARS) {
    return problem(c, "invalid", `The Idempotency-Key is longer than ${MAX_KEY_CHARS} characters`);
  }
  const run = async (): Promise<Answered> => {
    const done = await work();
    // Thrown, so that it is not remembered: it may be right the next time.
    if ("refused" in done) throw new RefusedError(done);
    return done;
  };
  try {
    const asked = `${c.req.path} ${about}`;
    const answer = key === "" ? run() : api.repeated.once(key, asked, Date.now(), run);
    if (answer === undefined) {
      const detail = "This Idempotency-Key was used for another request: take a new one";
      return problem(c, "key_reused", detail);
    }
    const { status, body } = await answer;
    const headers = { "content-type": "application/json", "cache-control": "no-store" };
    return c.body(redactJson(JSON.stringify(body)), status, headers);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    return problem(c, error.why.refused, error.why.detail);
  }
}
