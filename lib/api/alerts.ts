import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { ALERT_TYPES, SEVERITIES } from "../core/alert.ts";
import { ALERT_STATES } from "../core/alert-views.ts";
import type { AlertView } from "../core/alert-views.ts";
import { formatTime, formatTimeOrNull } from "../core/time.ts";
import { listAnswer, part } from "./answer.ts";
import type { Part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { continuation, listSchema, nextCursor, pageParameters } from "./lists.ts";
import { listParameter, timeParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { addReadRoute } from "./read-route.ts";
import { timeSchema } from "./runner-item.ts";

const alertSchema = z
  .object({
    id: z.string(),
    type: z.string().openapi({ example: "runner_offline" }),
    severity: z.string().openapi({ example: "critical" }),
    state: z.enum(ALERT_STATES),
    title: z.string().describe("In one sentence"),
    group: z.string().describe("What its members have in common"),
    opened_at: timeSchema,
    updated_at: timeSchema.describe("When it was last told of"),
    resolved_at: timeSchema.nullable(),
    silenced: z.boolean().describe("Nobody is told of it: a silence covers every member"),
    members: z.array(
      z.object({ name: z.string(), since: timeSchema, detail: z.string(), silenced: z.boolean() }),
    ),
    member_count: z.number().int(),
  })
  .openapi("Alert");

const alertQuery = {
  state: listParameter(z.enum(ALERT_STATES), "In any of these states"),
  type: listParameter(z.enum(ALERT_TYPES), "Of any of these types"),
  severity: listParameter(z.enum(SEVERITIES), "Of any of these severities"),
  from: timeParameter("Opened not before this time"),
  to: timeParameter("Opened not after this time"),
  ...pageParameters,
};
const positionSchema = z.object({ seq: z.number() });

export function addAlertRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/alerts",
      tag: "Fleet",
      summary: "Alerts, newest first",
      query: alertQuery,
      answers: {
        200: { about: "A page of alerts", schema: listSchema(alertSchema, "AlertList") },
      },
      problems: ["invalid_cursor", "unavailable"],
    },
    (then, c, values) => listAlerts(then, c, values),
  );
}

async function listAlerts(
  api: Api,
  c: Context,
  values: Values<typeof alertQuery>,
): Promise<Response> {
  const start = continuation(c, values, positionSchema);
  if (!start.ok) return start.answer;
  const { state: states, type: types, severity: severities, from, to, limit } = values;
  const wanted = { states, types, severities, from, to, limit, after: start.position?.seq };
  const page = api.models.alerts(wanted);
  const next = page.next === undefined ? undefined : { seq: page.next };
  const moment = api.monitor.moment();
  const parts = page.items.map(alertPart);
  return await listAnswer(c, parts, nextCursor(c, values, next), asOf(api, page.seq, moment));
}

function alertPart(view: AlertView): Part {
  return part({
    id: view.id,
    type: view.type,
    severity: view.severity,
    state: view.state,
    title: view.title,
    group: view.group,
    opened_at: formatTime(view.openedAt),
    updated_at: formatTime(view.updatedAt),
    resolved_at: formatTimeOrNull(view.resolvedAt),
    silenced: view.silenced,
    members: view.members.map((member) => ({ ...member, since: formatTime(member.since) })),
    member_count: view.memberCount,
  } satisfies z.input<typeof alertSchema>);
}
