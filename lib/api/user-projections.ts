/** Read models of the user's own: one list for each, filtered by its key. */
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { UserRow } from "../core/user-rows.ts";
import { listAnswer, part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { integerParameter, textParameter } from "./parameters.ts";
import type { Parameter } from "./parameters.ts";

/** What the API knows of such a read model. */
export interface ListedProjection {
  readonly name: string;
  readonly stream: string;
  readonly table: string;
  readonly key: readonly string[];
  /** Types by column: `text`, `integer`, `real`, `json`; a `?` allows null. */
  readonly columns: Readonly<Record<string, string>>;
}

/** One that could not be loaded. */
export interface MissingProjection {
  readonly name: string;
  readonly problem: string;
}

const positionSchema = z.array(z.union([z.string(), z.number()]));

export function addUserProjectionRoutes(api: Api): void {
  for (const projection of api.userProjections ?? []) addRoute(api, projection);
}

function addRoute(api: Api, projection: ListedProjection): void {
  const { name, stream } = projection;
  const keys = Object.fromEntries(
    projection.key.map((column) => [column, keyParameter(projection, column)]),
  );
  api.router.add(
    {
      method: "get",
      path: `/api/v1/projections/${name}`,
      tag: "Projections",
      summary: `The rows of ${name}, in the order of their key`,
      about: `A read model of this installation's own, folded from the stream of ${stream}.`,
      guard: "read",
      query: { ...keys, ...pageParameters },
      answers: {
        200: {
          about: "A page of rows",
          schema: listSchema(rowSchema(projection), `Projection_${name}`),
        },
      },
      problems: ["invalid_cursor", "unavailable"],
    },
    (c, query) => listRows(api, c, projection, query),
  );
}

function keyParameter({ columns }: ListedProjection, column: string): Parameter {
  const about = `Only rows with this ${column}`;
  if (columns[column] === "integer") {
    const error = "must be a whole number";
    return integerParameter(z.number({ error }).int({ error }).optional().describe(about));
  }
  return textParameter(z.string().optional().describe(about));
}

const SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  text: z.string(),
  integer: z.number().int(),
  real: z.number(),
  json: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]),
};

function rowSchema({ columns, name }: ListedProjection) {
  const own = Object.entries(columns).map(([column, type]) => {
    const schema = SCHEMAS[type.replace("?", "")] ?? z.unknown();
    return [column, type.endsWith("?") ? schema.nullable() : schema] as const;
  });
  const seq = z.number().int().describe("Of the first or last message folded into the row");
  return z
    .object({ ...Object.fromEntries(own), first_seq: seq, last_seq: seq })
    .openapi(`Row_${name}`);
}

async function listRows(
  api: Api,
  c: Context,
  projection: ListedProjection,
  query: Readonly<Record<string, unknown>> & {
    readonly limit: number;
    readonly cursor?: string | undefined;
  },
): Promise<Response> {
  const start = continuation(c, query, positionSchema);
  if (!start.ok) return start.answer;
  const { key, columns, table, name } = projection;
  const given = key.filter((column) => query[column] !== undefined);
  const page = api.models.userRows({
    projection: name,
    table,
    columns: [...Object.keys(columns), "first_seq", "last_seq"],
    key,
    equals: Object.fromEntries(given.map((column) => [column, query[column] as string | number])),
    limit: query.limit,
    after: start.position,
  });
  const parts = page.items.map((row) => part(shown(row, columns)));
  const next = page.next === undefined ? undefined : [...page.next];
  return await listAnswer(
    c,
    parts,
    nextCursor(c, query, next),
    asOf(api, page.seq, api.monitor.moment()),
  );
}

function shown(row: UserRow, columns: ListedProjection["columns"]): object {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      const isJson = columns[column]?.startsWith("json") === true;
      return [column, isJson && typeof value === "string" ? JSON.parse(value) : value];
    }),
  );
}
