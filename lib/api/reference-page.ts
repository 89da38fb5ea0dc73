/** The reference as a page: it is rendered in the browser from `/openapi.json`, and needs nothing else. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "hono";
import type { Api } from "./api.ts";

/** Nothing but our own files may be loaded, and nothing may be sent elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HTML = "text/html; charset=utf-8";
const CSS = "text/css; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";

/** What is served, and nothing else that may lie in the folder. */
const FILES: readonly (readonly [path: string, file: string, type: string])[] = [
  ["/docs", "page.html", HTML],
  ["/docs/reference.css", "reference.css", CSS],
  ["/docs/parts.css", "parts.css", CSS],
  ["/docs/reference.js", "reference.js", SCRIPT],
  ["/docs/elements.js", "elements.js", SCRIPT],
  ["/docs/schema.js", "schema.js", SCRIPT],
  ["/docs/try-form.js", "try-form.js", SCRIPT],
];

/** Beside this module, or, where that was compiled, in the sources that it was compiled from. */
function folder(): string {
  const places = ["./reference/", "../../../lib/api/reference/"];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? "";
}

export function addReferencePage(api: Api): void {
  const { app } = api.router;
  const place = folder();
  for (const [path, file, type] of FILES) {
    const content = readFileSync(join(place, file));
    const tag = `"${createHash("sha1").update(content).digest("base64url")}"`;
    app.get(path, (c) => page(c, content, type, tag));
  }
}

function page(c: Context, content: Buffer, type: string, tag: string): Response {
  const headers = { etag: tag, "cache-control": "no-cache", "content-security-policy": POLICY };
  if (c.req.header("if-none-match") === tag) return c.body(null, 304, headers);
  return c.body(new Uint8Array(content), 200, { ...headers, "content-type": type });
}
