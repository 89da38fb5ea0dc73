/** What all lists have in common: how long a page is, and how to go on after it. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { asOfSchema } from "./answer.ts";
import { packCursor, unpackCursor } from "./cursor.ts";
import { integerParameter, textParameter } from "./parameters.ts";
import { problem } from "./problem.ts";

export const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 100;

export const pageParameters = {
  limit: integerParameter(
    z
      .number({ error: `must be a whole number from 1 to ${MAX_LIMIT}` })
      .int()
      .min(1, { error: `must be a whole number from 1 to ${MAX_LIMIT}` })
      .max(MAX_LIMIT, { error: `must be a whole number from 1 to ${MAX_LIMIT}` })
      .default(DEFAULT_LIMIT)
      .describe("Items on a page"),
  ),
  cursor: textParameter(
    z
      .string()
      .optional()
      .describe("`next_cursor` of the page before; everything else must be as it was for that one"),
  ),
};

export function listSchema<Item extends z.ZodType>(item: Item, name: string) {
  return z
    .object({
      items: z.array(item),
      next_cursor: z.string().nullable().describe("Null on the last page"),
      as_of: asOfSchema,
    })
    .openapi(name);
}

/** The query as its cursors know it: everything but the page itself. */
function queryName(c: Context, query: Readonly<Record<string, unknown>>): string {
  const { limit: _limit, cursor: _cursor, ...rest } = query;
  return `${c.req.path.replace(/\/$/, "")} ${JSON.stringify(rest)}`;
}

type PageQuery = Readonly<Record<string, unknown>> & { readonly cursor?: string | undefined };

/** A cursor of this query that goes on behind a position; null where there is no more. */
export function nextCursor(
  c: Context,
  query: PageQuery,
  position: object | undefined,
): string | null {
  return position === undefined ? null : packCursor(queryName(c, query), position);
}

export type Continuation<Position> =
  | { readonly ok: true; readonly position: Position | undefined }
  | { readonly ok: false; readonly answer: Response };

/** Where the page begins: behind the cursor's position, or at the start. */
export function continuation<Position>(
  c: Context,
  query: PageQuery,
  schema: z.ZodType<Position>,
): Continuation<Position> {
  if (query.cursor === undefined) return { ok: true, position: undefined };
  const parsed = schema.safeParse(unpackCursor(queryName(c, query), query.cursor));
  if (parsed.success) return { ok: true, position: parsed.data };
  const detail =
    "The cursor was changed, or comes from a list with other filters or another order: " +
    "begin again without it";
  return { ok: false, answer: problem(c, "invalid_cursor", detail) };
}
