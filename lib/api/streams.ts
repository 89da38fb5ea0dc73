import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { formatTime, formatTimeOrNull } from "../core/time.ts";
import { listAnswer, part } from "./answer.ts";
import type { Part } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { listSchema } from "./lists.ts";
import type { StreamHolding, StreamState } from "./pipeline-watch.ts";
import { timeSchema } from "./runner-item.ts";

const count = z.number().int();
const limit = count.nullable();

const streamSchema = z
  .object({
    stream: z.string().openapi({ example: "RUNBEAT_HEARTBEATS" }),
    created: timeSchema,
    messages: count,
    bytes: count.describe("On disk"),
    first_seq: count,
    last_seq: count,
    oldest: timeSchema.nullable(),
    newest: timeSchema.nullable(),
    max_age_sec: z.number().nullable().describe("Older messages are dropped; null is no limit"),
    max_bytes: limit.describe("The oldest messages make room; null is no limit"),
    max_messages: limit,
  })
  .openapi("Stream");

export function addStreamRoutes(api: Api): void {
  api.router.add(
    {
      method: "get",
      path: "/api/v1/streams",
      tag: "Streams",
      summary: "What the streams hold, and what they may hold",
      about: "Asked of NATS once a second. How far each read model is behind, the summary tells.",
      guard: "read",
      query: {},
      answers: { 200: { about: "All streams", schema: listSchema(streamSchema, "StreamList") } },
      problems: ["unavailable"],
    },
    async (c) => await listStreams(api, c),
  );
}

/** Empty while NATS has not answered yet. */
async function listStreams(api: Api, c: Context): Promise<Response> {
  const parts = api.monitor.streams().flatMap((state) => {
    const { holds } = state;
    return holds === undefined ? [] : [streamPart(state, holds)];
  });
  return await listAnswer(c, parts, null, asOf(api, 0, api.monitor.moment()));
}

function streamPart({ stream, created, lastSeq }: StreamState, holds: StreamHolding): Part {
  const item: z.input<typeof streamSchema> = {
    stream,
    created: formatTime(Date.parse(created)),
    messages: holds.messages,
    bytes: holds.bytes,
    first_seq: holds.firstSeq,
    last_seq: lastSeq,
    oldest: formatTimeOrNull(holds.firstTime),
    newest: formatTimeOrNull(holds.lastTime),
    max_age_sec: holds.maxAgeSec,
    max_bytes: holds.maxBytes,
    max_messages: holds.maxMessages,
  };
  return part(item);
}
