/** Answers in fewer bytes, for clients that take them so. Source: RFC 9110, section 12.5.3. */
import { constants, gzip } from "node:zlib";
import { promisify } from "node:util";
import type { Context } from "hono";

/** What fits into one packet anyway is left as it is. */
const MIN_CHARS = 1_400;

const gzipAside = promisify(gzip);

/** Whether the client takes gzip. */
export function takesGzip(c: Context): boolean {
  const accepted = c.req.header("accept-encoding") ?? "";
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(accepted);
}

/**
 * A text as the body of an answer, compressed where that is worth it and wanted: on a thread of
 * its own, and quickly rather than well, since somebody waits for it.
 * @param headers with `accept-encoding` in its `vary`.
 */
export async function textAnswer(
  c: Context,
  text: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  if (text.length < MIN_CHARS || !takesGzip(c)) return c.body(text, 200, headers);
  const bytes = await gzipAside(text, { level: constants.Z_BEST_SPEED });
  return c.body(new Uint8Array(bytes), 200, { ...headers, "content-encoding": "gzip" });
}
