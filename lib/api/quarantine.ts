import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { REJECT_REASONS } from "../core/heartbeat.ts";
import { QUARANTINE_STATES } from "../core/read-models.ts";
import type { QuarantineView } from "../core/read-models.ts";
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

const rejectedSchema = z
  .object({
    seq: z.number().int().describe("In the quarantine; what `runbeat quarantine retry` takes"),
    reason: z.string().openapi({ example: "bad_json" }),
    subject: z.string(),
    time: timeSchema,
    bytes: z.number().int(),
    payload: z.string().describe("The message as it was, in base64"),
    payload_text: z.string().nullable().describe("The same as text, where it is UTF-8"),
    message: z.string().describe("What is wrong with it"),
    source: z.object({ stream: z.string(), seq: z.number().int() }),
    state: z.enum(QUARANTINE_STATES),
    resolved_by: z.string().nullable(),
    resolved_at: timeSchema.nullable(),
  })
  .openapi("RejectedMessage");

const query = {
  reason: listParameter(z.enum(REJECT_REASONS), "Rejected for any of these reasons"),
  state: listParameter(z.enum(QUARANTINE_STATES), "In any of these states"),
  from: timeParameter("Not before this time"),
  to: timeParameter("Not after this time"),
  ...pageParameters,
};

const positionSchema = z.object({ seq: z.number() });

export function addQuarantineRoutes(api: Api): void {
  addReadRoute(
    api,
    {
      path: "/api/v1/quarantine",
      tag: "Streams",
      summary: "Messages that could not be folded, newest first",
      about: "A page may hold fewer than `limit` where the messages are large.",
      query,
      answers: {
        200: {
          about: "A page of rejected messages",
          schema: listSchema(rejectedSchema, "RejectedMessageList"),
        },
      },
      problems: ["invalid_cursor", "unavailable"],
    },
    (then, c, values) => listRejected(then, c, values),
  );
}

async function listRejected(api: Api, c: Context, values: Values<typeof query>): Promise<Response> {
  const start = continuation(c, values, positionSchema);
  if (!start.ok) return start.answer;
  const { reason: reasons, state: states, from, to, limit } = values;
  const wanted = { reasons, states, from, to, limit, after: start.position?.seq };
  const page = api.models.quarantine(wanted);
  const parts = page.items.map((view) => rejectedPart(view));
  const next = page.next === undefined ? undefined : { seq: page.next };
  const moment = api.monitor.moment();
  return await listAnswer(c, parts, nextCursor(c, values, next), asOf(api, page.seq, moment));
}

function rejectedPart(view: QuarantineView): Part {
  return part({
    seq: view.stream_seq,
    reason: view.reason,
    subject: view.subject,
    time: formatTime(view.time),
    bytes: view.bytes,
    payload: view.payload,
    payload_text: textOf(view.payload),
    message: view.message,
    source: { stream: view.source_stream, seq: view.source_seq },
    state: view.state,
    resolved_by: view.resolved_by,
    resolved_at: formatTimeOrNull(view.resolved_at),
  } satisfies z.input<typeof rejectedSchema>);
}

function textOf(base64: string): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(base64, "base64"));
  } catch {
    return null;
  }
}
