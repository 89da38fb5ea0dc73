/** Silences and maintenance windows: listed, made and lifted. */
import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { SilenceView } from "../core/alert-views.ts";
import { MAX_SILENCE_REASON_CHARS, newSilence } from "../core/silence.ts";
import { formatTime, formatTimeOrNull } from "../core/time.ts";
import { listAnswer, part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { addOperateRoute } from "./operate-route.ts";
import type { Operation, Refused } from "./operate-route.ts";
import { askedBy, whoSchema } from "./orders.ts";
import { flagParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { addReadRoute } from "./read-route.ts";
import type { Answered } from "./repeated-requests.ts";
import { timeSchema } from "./runner-item.ts";

const ID_BYTES = 4;
/** The newest are looked through for an id. */
const MAX_LOOKED_THROUGH = 1_000;
/** Whoever asks next must find what was just stored; the projector is rarely so late. */
const FOLD_MS = 1_000;
const POLL_MS = 10;

const silenceSchema = z
  .object({
    id: z.string(),
    pattern: z.string().openapi({ example: "camera/*" }),
    from: timeSchema,
    until: timeSchema,
    reason: z.string(),
    by: z.string(),
    created_at: timeSchema,
    lifted_at: timeSchema.nullable(),
    lifted_by: z.string().nullable(),
  })
  .openapi("Silence");

const MOMENT = "RFC 3339, epoch milliseconds, or as people write it: `03:12`, `-15m`";

const newBody = z
  .strictObject({
    pattern: z
      .string()
      .describe(
        "`camera/front-*/hd`, `camera`, `*`; `host:edge-1` for the runners of a host, `alert:ID` for one alert",
      ),
    from: z.string().optional().describe(`When it begins; now unless given. ${MOMENT}`),
    until: z.string().optional().describe("When it ends; this or `for`"),
    for: z.string().optional().describe("How long it lasts: `30m`, `2h`, `3d`"),
    reason: z.string().trim().max(MAX_SILENCE_REASON_CHARS).optional(),
    by: whoSchema,
  })
  .openapi("NewSilence", {
    example: { pattern: "camera/*", for: "2h", reason: "lens cleaning", by: "ada" },
  });

const liftBody = z.strictObject({ by: whoSchema }).openapi("LiftSilence");

const listQuery = {
  all: flagParameter("Also those that are over or were lifted"),
  ...pageParameters,
};
const positionSchema = z.object({ seq: z.number() });

export function addSilenceRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/silences",
      tag: "Fleet",
      summary: "Silences of alerts, newest first",
      query: listQuery,
      answers: {
        200: { about: "A page of silences", schema: listSchema(silenceSchema, "SilenceList") },
      },
      problems: ["invalid_cursor", "unavailable"],
    },
    (then, c, values) => listSilences(then, c, values),
  );
  addOperateRoute(
    api,
    {
      path: "/api/v1/silences",
      tag: "Orders",
      summary: "Silences alerts for a while",
      about:
        "Alerts are kept, but nobody is told of them. One that begins later is a maintenance window.",
      body: newBody,
      answers: { 201: { about: "It is stored", schema: silenceSchema } },
      problems: ["invalid"],
    },
    async (operation) => await addSilence(api, operation),
  );
  addOperateRoute(
    api,
    {
      path: "/api/v1/silences/{id}/lift",
      tag: "Orders",
      summary: "Ends a silence before its time",
      params: z.object({ id: z.string() }),
      body: liftBody,
      answers: { 200: { about: "It is over", schema: silenceSchema } },
      problems: ["not_found"],
    },
    async (operation) => await liftSilence(api, operation),
  );
}

async function listSilences(
  api: Api,
  c: Context,
  values: Values<typeof listQuery>,
): Promise<Response> {
  const start = continuation(c, values, positionSchema);
  if (!start.ok) return start.answer;
  const moment = api.monitor.moment();
  const activeAt = values.all ? undefined : moment.now;
  const page = api.models.silences({ activeAt, limit: values.limit, after: start.position?.seq });
  const next = page.next === undefined ? undefined : { seq: page.next };
  const parts = page.items.map((view) => part(silenceItem(view)));
  return await listAnswer(c, parts, nextCursor(c, values, next), asOf(api, page.seq, moment));
}

function silenceItem(view: Omit<SilenceView, "seq">): z.input<typeof silenceSchema> {
  return {
    id: view.id,
    pattern: view.pattern,
    from: formatTime(view.from),
    until: formatTime(view.until),
    reason: view.reason,
    by: view.by,
    created_at: formatTime(view.createdAt),
    lifted_at: formatTimeOrNull(view.liftedAt),
    lifted_by: view.liftedBy,
  };
}

async function addSilence(
  api: Api,
  { body, operator }: Operation<z.output<typeof newBody>>,
): Promise<Answered> {
  const { by, ...request } = body;
  const nowMs = api.monitor.moment().now;
  const id = randomBytes(ID_BYTES).toString("hex");
  const silence = newSilence(request, { id, by: askedBy(by), nowMs });
  await operator.setSilence(silence, nowMs);
  api.log.info({ ...silence }, "a silence was asked for");
  const stored = await untilFolded(api, id, () => true);
  const unfolded = { ...silence, createdAt: nowMs, liftedAt: null, liftedBy: null };
  return { status: 201, body: silenceItem(stored ?? unfolded) };
}

async function liftSilence(
  api: Api,
  { c, body, operator }: Operation<z.output<typeof liftBody>>,
): Promise<Answered | Refused> {
  const { id = "" } = c.req.param();
  const known = findSilence(api, id);
  if (known === undefined) {
    const detail = `There is no silence "${id}": GET /api/v1/silences lists them`;
    return { refused: "not_found", detail };
  }
  const nowMs = api.monitor.moment().now;
  if (known.liftedAt !== null) {
    const when = formatTime(known.liftedAt);
    return { refused: "conflict", detail: `The silence ${id} was lifted at ${when} already` };
  }
  if (known.until <= nowMs) {
    const detail = `The silence ${id} is over since ${formatTime(known.until)}`;
    return { refused: "conflict", detail };
  }
  const by = askedBy(body.by);
  await operator.liftSilence(id, by, nowMs);
  api.log.info({ id, by }, "a silence was lifted");
  const stored = await untilFolded(api, id, ({ liftedAt }) => liftedAt !== null);
  return {
    status: 200,
    body: silenceItem(stored ?? { ...known, liftedAt: nowMs, liftedBy: by }),
  };
}

function findSilence(api: Api, id: string): SilenceView | undefined {
  const query = { activeAt: undefined, limit: MAX_LOOKED_THROUGH, after: undefined };
  return api.models.silences(query).items.find((silence) => silence.id === id);
}

/** The silence as the read model has it; undefined where that is late. */
async function untilFolded(
  api: Api,
  id: string,
  isThere: (view: SilenceView) => boolean,
): Promise<SilenceView | undefined> {
  const until = performance.now() + FOLD_MS;
  for (;;) {
    const found = findSilence(api, id);
    if (found !== undefined && isThere(found)) return found;
    if (performance.now() > until) return undefined;
    await delay(POLL_MS);
  }
}
