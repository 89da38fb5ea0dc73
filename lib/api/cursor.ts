/** Cursors: where a page ended, opaque to whoever carries it, of one query only. */
import { createHash } from "node:crypto";

const CHECK_BYTES = 9;
/** No position needs more; what is longer is not looked at. */
const MAX_CURSOR_CHARS = 1_024;

function digest(text: string): Buffer {
  return createHash("sha256")
    .update("runbeat cursor")
    .update(text)
    .digest()
    .subarray(0, CHECK_BYTES);
}

/**
 * Packs a position. It is not secret and not proof of anything: the check in it only keeps what
 * was changed, or belongs to another query, from being taken for a position.
 * @param query identifies the query that the cursor continues: its route and filters.
 */
export function packCursor(query: string, position: object): string {
  const text = JSON.stringify(position);
  return Buffer.concat([digest(`${query}\n${text}`), Buffer.from(text)]).toString("base64url");
}

/** The position in a cursor; undefined for anything that was not packed for this query. */
export function unpackCursor(query: string, cursor: string): unknown {
  if (cursor.length > MAX_CURSOR_CHARS) return undefined;
  const bytes = Buffer.from(cursor, "base64url");
  // Decoding skips what is not base64url: only the exact form is ours.
  if (bytes.toString("base64url") !== cursor || bytes.length <= CHECK_BYTES) return undefined;
  const text = bytes.subarray(CHECK_BYTES).toString();
  if (!digest(`${query}\n${text}`).equals(bytes.subarray(0, CHECK_BYTES))) return undefined;
  return JSON.parse(text) as unknown;
}
