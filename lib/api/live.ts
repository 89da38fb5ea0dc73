/** The live stream: what a page that stays open is told, as it happens. */
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { streamName } from "../core/subject.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import { asOfText } from "./answer.ts";
import { asOf } from "./api.ts";
import type { Api } from "./api.ts";
import { takesGzip } from "./compression.ts";
import { LiveClient } from "./live-client.ts";
import { LIVE_EVENTS, parsePlace } from "./live-frame.ts";
import type { LiveTexts } from "./live-texts.ts";
import { listParameter } from "./parameters.ts";
import type { Values } from "./parameters.ts";
import { problem } from "./problem.ts";
import { runnerNameSchema, runnerPart } from "./runner-item.ts";
import { SAFETY_HEADERS } from "./safety-headers.ts";
import { summaryPart } from "./summary.ts";
import { eventPart } from "./timeline.ts";

export const EVENT_STREAM = "text/event-stream";
/** Each holds a socket and some memory. */
const MAX_CLIENTS = 1_000;

const query = {
  kind: listParameter(z.enum(RUNNER_KINDS), "Only runners of these kinds"),
  runner: listParameter(runnerNameSchema, "Only these runners"),
};

const ABOUT = `Server-sent events: ${LIVE_EVENTS.map((name) => `\`${name}\``).join(", ")}.
First comes \`snapshot\`: \`{items, more, as_of}\` with runners as lists show them, in several parts
where they are many (\`more\` is true on all but the last). Then \`runner\` (an item that changed),
\`gone\` (\`{runner}\`), \`event\` (an item of the timeline) and \`summary\`, as they happen. A client
that is slower than the changes gets the newest of each runner and every event; one that takes
nothing for 15 s is dropped. Come back with \`Last-Event-ID\` and you are told what you have missed;
where that is not known any more, a \`reset\` and a new snapshot come first.`;

export function addLiveRoute(api: Api): void {
  api.router.add(
    {
      method: "get",
      path: "/api/v1/live",
      tag: "Fleet",
      summary: "What changes, as it happens",
      about: ABOUT,
      guard: "read",
      query,
      answers: { 200: { about: "Events", schema: z.string(), mediaType: EVENT_STREAM } },
      problems: ["unavailable"],
    },
    (c, values) => follow(api, c, values),
  );
}

/** What the hub sends, in the very words of the other routes. */
export function liveTexts(api: Pick<Api, "models" | "monitor" | "prefixes">): LiveTexts {
  const stream = streamName(api.prefixes, "events");
  return {
    runners: (names, moment) =>
      api.models.runnersNamed(names, moment).map((view) => {
        if (view === undefined) return undefined;
        const { lasting, passing } = runnerPart(view, moment.now);
        return lasting + passing;
      }),
    events: (after, limit) =>
      api.models.eventsAfter(after, limit).map((view) => ({
        seq: view.stream_seq,
        runner: view.runner,
        text: eventPart(view, stream).lasting,
      })),
    summary: (moment) => {
      const { part, seq } = summaryPart(api, moment);
      const text = (part.lasting + part.passing).slice(0, -1);
      const of = asOf(api, seq, moment);
      return { text: `${text},"as_of":${asOfText(of)}}`, same: `${part.lasting}${of.isPast}` };
    },
    asOf: (moment, seq) => asOfText(asOf(api, seq, moment)),
  };
}

function follow(api: Api, c: Context, { kind, runner }: Values<typeof query>): Response {
  const { outgoing } = (c.env ?? {}) as Partial<HttpBindings>;
  if (c.req.method === "HEAD") return c.body(null, 200, { "content-type": EVENT_STREAM });
  if (outgoing === undefined || !("writeHead" in outgoing) || "stream" in outgoing)
    return problem(c, "unavailable", "Events need a connection of their own, over HTTP/1.1");
  if (api.live.size >= MAX_CLIENTS)
    return problem(c, "unavailable", `${MAX_CLIENTS} clients follow already: try again later`);
  api.live.check();
  const { socket } = outgoing;
  // It has gone already.
  if (socket === null) return RESPONSE_ALREADY_SENT;
  outgoing.useChunkedEncodingByDefault = false;
  const isGzip = takesGzip(c);
  outgoing.writeHead(200, {
    ...SAFETY_HEADERS,
    "content-type": `${EVENT_STREAM}; charset=utf-8`,
    "cache-control": "no-cache, no-transform",
    vary: "authorization, accept-encoding",
    // A proxy that waits for more would make the events late.
    "x-accel-buffering": "no",
    ...(isGzip ? { "content-encoding": "gzip" } : {}),
  });
  outgoing.flushHeaders();
  const wish = { kinds: kind, runners: new Set(runner) };
  const client = new LiveClient(outgoing, socket, wish, isGzip);
  socket.on("drain", () => api.live.resume(client));
  outgoing.on("close", () => api.live.remove(client));
  outgoing.on("error", () => api.live.remove(client));
  const last = c.req.header("last-event-id") ?? "";
  api.live.add(client, parsePlace(last), last !== "");
  return RESPONSE_ALREADY_SENT;
}
