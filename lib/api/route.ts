/** Routes: what a route is, in one place for those who call it, those who read of it, and us. */
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { AppError } from "../core/errors.ts";
import type { HttpMetrics } from "./http-metrics.ts";
import type { Keys } from "./keys.ts";
import { readParameters } from "./parameters.ts";
import type { Parameters, Values } from "./parameters.ts";
import { CODE_OF_ERROR, problem, PROBLEM_MEDIA_TYPE, PROBLEMS, problemSchema } from "./problem.ts";
import type { ProblemCode } from "./problem.ts";

export const TAGS = {
  Runners: "What should run, and how it is",
  Fleet: "All of it together",
  Orders: "What an operator asks for, with the operate key",
  Streams: "What came on the streams, as it came",
  Projections: "Read models of this installation's own",
  Ingest: "Heartbeats of runners that can't speak NATS",
  Operation: "Whether Runbeat itself is well",
} as const;

export interface AnswerSpec {
  readonly about: string;
  readonly schema?: z.ZodType;
  readonly mediaType?: string;
}

/** Who may call it: anybody, readers, operators, or whoever has an ingest key (which the handler checks). */
export type Guard = "open" | "read" | "operate" | "ingest" | "camera";

export interface RouteSpec<Query extends Parameters> {
  readonly method: "get" | "post";
  /** As OpenAPI writes it: `/api/v1/runners/{kind}`. */
  readonly path: string;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly about?: string;
  readonly guard: Guard;
  readonly query: Query;
  readonly params?: z.ZodObject;
  readonly body?: z.ZodType;
  /** By status. */
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  readonly problems: readonly ProblemCode[];
}

export type RouteHandler<Query extends Parameters> = (
  c: Context,
  query: Values<Query>,
) => Response | Promise<Response>;

export interface RouterOptions {
  readonly keys: Keys;
  readonly metrics: HttpMetrics;
  /** Told of what should not have happened; the client is told no more than that it did. */
  readonly onFault: (error: unknown, path: string) => void;
}

const SECURITY: Readonly<Record<Guard, readonly string[]>> = {
  open: [],
  read: ["readKey"],
  operate: ["operateKey"],
  ingest: ["ingestKey", "cameraKey"],
  camera: ["cameraKey", "ingestKey"],
};

/** Holds the application while its routes are laid. */
export class Router {
  // Not strict: a path means the same with and without a slash at its end.
  readonly app = new OpenAPIHono({ strict: false });
  private readonly options: RouterOptions;
  private readonly methods = new Map<string, string[]>();

  constructor(options: RouterOptions) {
    this.options = options;
    for (const [name, scheme] of Object.entries(SECURITY_SCHEMES)) {
      this.app.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
    }
  }

  /** Lays a route: guards it, reads its query, counts it and writes it into the reference. */
  add<Query extends Parameters>(spec: RouteSpec<Query>, handler: RouteHandler<Query>): void {
    this.app.openAPIRegistry.registerPath(documentation(spec));
    const path = spec.path.replaceAll(/\{(\w+)\}/g, ":$1");
    this.methods.set(path, [...(this.methods.get(path) ?? []), spec.method]);
    this.app.on(spec.method.toUpperCase(), path, async (c) => {
      const startedAt = performance.now();
      const answer = await this.answer(c, spec, handler);
      const elapsedMs = performance.now() - startedAt;
      this.options.metrics.observe(spec.method, spec.path, answer.status, elapsedMs);
      return answer;
    });
  }

  /** To be called once all routes are laid: what they don't cover is refused by name. */
  close(): void {
    this.app.onError((error, c) => this.failure(c, error));
    this.app.notFound((c) => {
      this.options.metrics.observe("other", "none", 404, 0);
      return problem(c, "not_found", `${c.req.path} does not exist: /docs lists what does`);
    });
    for (const [path, methods] of this.methods) {
      const allowed = methods.flatMap((method) => (method === "get" ? ["GET", "HEAD"] : ["POST"]));
      this.app.all(path, (c) => {
        this.options.metrics.observe("other", path, 405, 0);
        const detail = `${c.req.method} is not allowed here: use ${allowed.join(" or ")}`;
        return problem(c, "method_not_allowed", detail, { allow: allowed.join(", ") });
      });
    }
  }

  private async answer<Query extends Parameters>(
    c: Context,
    spec: RouteSpec<Query>,
    handler: RouteHandler<Query>,
  ): Promise<Response> {
    try {
      return await this.attempt(c, spec, handler);
    } catch (error) {
      return this.failure(c, error);
    }
  }

  /** Failures that were foreseen say what to do; the others are ours. */
  private failure(c: Context, error: unknown): Response {
    if (error instanceof AppError && error.code !== "internal") {
      return problem(c, CODE_OF_ERROR[error.code], error.message);
    }
    this.options.onFault(error, c.req.path);
    return problem(c, "internal", "This should not have happened: the log of the API says more");
  }

  private refusal(c: Context, guard: Guard): Response | undefined {
    if (guard === "read") return this.options.keys.refuseReader(c);
    return guard === "operate" ? this.options.keys.refuseOperator(c) : undefined;
  }

  private async attempt<Query extends Parameters>(
    c: Context,
    spec: RouteSpec<Query>,
    handler: RouteHandler<Query>,
  ): Promise<Response> {
    const refusal = this.refusal(c, spec.guard);
    if (refusal !== undefined) return refusal;
    const mediaTypes = Object.values(spec.answers).map((answer) => mediaTypeOf(answer));
    if (spec.method === "get" && !accepts(c.req.header("accept"), mediaTypes)) {
      const detail = `This is answered as ${mediaTypes[0] ?? ""} only: change the Accept header`;
      return problem(c, "not_acceptable", detail);
    }
    const query = readParameters(spec.query, c.req.queries());
    if (!query.ok) return problem(c, query.code, query.detail);
    return await handler(c, query.values);
  }
}

function mediaTypeOf({ mediaType = "application/json" }: AnswerSpec): string {
  return mediaType;
}

/** Whether one of the media types is wanted. A list of any length, read in one pass. */
function accepts(header: string | undefined, mediaTypes: readonly string[]): boolean {
  if (header === undefined || header.trim() === "") return true;
  const ranges = header
    .split(",")
    .map((range) => range.split(";").map((text) => text.trim().toLowerCase()))
    .filter(([, ...parameters]) => !parameters.some((text) => /^q=0(\.0*)?$/.test(text)))
    .map(([range = ""]) => range);
  return ranges.some((range) =>
    [...mediaTypes, PROBLEM_MEDIA_TYPE].some(
      (type) =>
        range === "*/*" || range === type || range === `${type.slice(0, type.indexOf("/"))}/*`,
    ),
  );
}

const SECURITY_SCHEMES = {
  readKey: { type: "http", scheme: "bearer", description: "RUNBEAT_READ_KEY, where one is set" },
  operateKey: { type: "http", scheme: "bearer", description: "RUNBEAT_OPERATE_KEY" },
  ingestKey: { type: "http", scheme: "bearer", description: "RUNNER_HEARTBEAT_KEY" },
  cameraKey: {
    type: "apiKey",
    in: "header",
    name: "X-BISK-KEY",
    description: "RUNNER_HEARTBEAT_KEY",
  },
} as const;

type PathDocumentation = Parameters0<OpenAPIHono["openAPIRegistry"]["registerPath"]>;
type Parameters0<F> = F extends (first: infer First) => unknown ? First : never;

function documentation<Query extends Parameters>(spec: RouteSpec<Query>): PathDocumentation {
  const query = Object.entries(spec.query).map(([name, { schema }]) => [name, schema] as const);
  return {
    method: spec.method,
    path: spec.path,
    tags: [spec.tag],
    summary: spec.summary,
    ...(spec.about === undefined ? {} : { description: spec.about }),
    security: SECURITY[spec.guard].map((name) => ({ [name]: [] })),
    request: {
      ...(query.length === 0 ? {} : { query: z.object(Object.fromEntries(query)) }),
      ...(spec.params === undefined ? {} : { params: spec.params }),
      ...(spec.body === undefined ? {} : { body: bodyOf(spec.body) }),
    },
    responses: { ...answersOf(spec.answers), ...problemsOf(spec) },
  };
}

function bodyOf(schema: z.ZodType) {
  return { required: true, content: { "application/json": { schema } } };
}

function answersOf(answers: Readonly<Record<number, AnswerSpec>>): PathDocumentation["responses"] {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { about, schema, mediaType = "application/json" }]) => [
      status,
      {
        description: about,
        ...(schema === undefined ? {} : { content: { [mediaType]: { schema } } }),
      },
    ]),
  );
}

function problemsOf<Query extends Parameters>(
  spec: RouteSpec<Query>,
): PathDocumentation["responses"] {
  const own: readonly ProblemCode[] = [
    ...(spec.guard === "read" ? (["unauthorized", "forbidden"] as const) : []),
    ...(spec.method === "get" ? (["not_acceptable"] as const) : []),
    ...(Object.keys(spec.query).length > 0
      ? (["invalid_parameter", "unknown_parameter"] as const)
      : []),
    ...spec.problems,
    "method_not_allowed",
    "internal",
  ];
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of own) {
    const { status } = PROBLEMS[code];
    if (spec.answers[status] === undefined) {
      byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
    }
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `${PROBLEMS[code].title} (\`${code}\`)`).join(". "),
        content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema } },
      },
    ]),
  );
}
