/** Answers in JSON, with the moment that they are of and a tag by which clients see a change. */
import { createHash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { redactJson } from "../core/redact.ts";
import { textAnswer } from "./compression.ts";
import { timeText } from "./time-text.ts";

export const AS_OF_EXAMPLE = { seq: 48_211, time: "2026-01-31T03:12:01.357Z", lag_ms: 0 };

export const asOfSchema = z
  .object({
    seq: z.number().int().describe("Sequence of the last message of the stream that was folded"),
    time: z.iso.datetime().describe("The moment that the answer is of, on the NATS server's clock"),
    lag_ms: z
      .number()
      .int()
      .nullable()
      .describe("How far folding is behind the streams; null while that is unknown"),
    is_past: z
      .literal(true)
      .optional()
      .describe("Of an export that was opened: time stands still at its end"),
  })
  .openapi("AsOf", { example: AS_OF_EXAMPLE });

export interface AsOf {
  readonly seq: number;
  /** Epoch ms. */
  readonly time: number;
  readonly lagMs: number | null;
  /** Whether time stands still: of an export. */
  readonly isPast: boolean;
}

/**
 * A JSON object as text in two pieces: what lasts, and what changes by the mere passing of time.
 * The tag covers the first, the client gets both.
 */
export interface Part {
  readonly lasting: string;
  readonly passing: string;
}

/** An object in which nothing changes by itself. */
export function part(value: object): Part {
  return { lasting: JSON.stringify(value), passing: "" };
}

/** @param open an object's text without its closing brace, to which the age of something is added. */
export function agingPart(open: string, ageMs: number | null): Part {
  return { lasting: open, passing: `,"age_ms":${ageMs}}` };
}

export function asOfText({ seq, time, lagMs, isPast }: AsOf): string {
  const past = isPast ? `,"is_past":true` : "";
  return `{"seq":${seq},"time":${timeText(time)},"lag_ms":${lagMs}${past}}`;
}

/** A list: its items, where it goes on, and the moment that it is of. */
export async function listAnswer(
  c: Context,
  parts: readonly Part[],
  cursor: string | null,
  asOf: AsOf,
): Promise<Response> {
  const hash = createHash("sha1");
  for (const { lasting } of parts) hash.update(lasting).update("\n");
  // The cursor holds a time; where the list goes on, its last item tells.
  hash.update(cursor === null ? "end" : "more");
  const items = parts.map(({ lasting, passing }) => lasting + passing).join(",");
  const next = JSON.stringify(cursor);
  const text = `{"items":[${items}],"next_cursor":${next},"as_of":${asOfText(asOf)}}`;
  return await tagged(c, text, hash.digest("base64url"));
}

/** One object, with the moment that it is of. */
export async function objectAnswer(
  c: Context,
  { lasting, passing }: Part,
  asOf: AsOf,
): Promise<Response> {
  const text = `${(lasting + passing).slice(0, -1)},"as_of":${asOfText(asOf)}}`;
  return await tagged(c, text, createHash("sha1").update(lasting).digest("base64url"));
}

/** The tag is a weak one: equal tags mean the same content, not the same bytes. */
async function tagged(c: Context, text: string, digest: string): Promise<Response> {
  const tag = `W/"${digest}"`;
  const headers = {
    etag: tag,
    "cache-control": "no-cache",
    vary: "authorization, accept, accept-encoding",
  };
  if (matches(c.req.header("if-none-match"), tag)) return c.body(null, 304, headers);
  // Ours is redacted already, but anybody may publish a heartbeat or an event.
  const type = { "content-type": "application/json" };
  return await textAnswer(c, redactJson(text), { ...headers, ...type });
}

/** Source: RFC 9110, section 13.1.2: the weak comparison. */
function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  const opaque = tag.slice(2);
  return header
    .split(",")
    .map((text) => text.trim())
    .some((text) => text === "*" || text === opaque || text === tag);
}
