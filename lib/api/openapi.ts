import { z } from "@hono/zod-openapi";
import type { Api } from "./api.ts";
import { PROBLEMS } from "./problem.ts";
import { TAGS } from "./route.ts";

const ABOUT = `What runs in a fleet, how it is, and what happened to it.

- Times are RFC 3339 in UTC. Errors are \`application/problem+json\` (RFC 9457), each with a \`code\`.
- Lists have \`items\`, \`next_cursor\` and \`as_of\`. Give \`next_cursor\` back as \`cursor\`, with everything else unchanged, for the next page.
- \`ETag\` and \`If-None-Match\` cover everything but \`as_of\` and \`age_ms\`: 304 means that nothing has happened.
- Where a read key is set, send it as \`Authorization: Bearer KEY\`.`;

/** The description of everything above it, made from the same schemas that check requests. */
export function addOpenApiRoute(api: Api): void {
  let text: string | undefined;
  api.router.add(
    {
      method: "get",
      path: "/openapi.json",
      tag: "Operation",
      summary: "This description, OpenAPI 3.1",
      guard: "read",
      query: {},
      answers: { 200: { about: "OpenAPI 3.1", schema: z.looseObject({ openapi: z.string() }) } },
      problems: [],
    },
    (c) => {
      text ??= JSON.stringify(document(api));
      return c.body(text, 200, { "content-type": "application/json", "cache-control": "no-cache" });
    },
  );
}

function document({ router, version }: Api): object {
  return router.app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Runbeat",
      version,
      description: ABOUT,
      license: { name: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    "x-problems": Object.entries(PROBLEMS).map(([code, kind]) => ({ code, ...kind })),
  });
}
