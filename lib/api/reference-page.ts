/** The browsable reference at `/docs`: three files of this project, nothing from elsewhere. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Hono } from "hono";

const FILES = [
  { path: "/docs", file: "index.html", type: "text/html; charset=utf-8" },
  { path: "/docs/reference.css", file: "reference.css", type: "text/css; charset=utf-8" },
  { path: "/docs/reference.js", file: "reference.js", type: "text/javascript; charset=utf-8" },
] as const;

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

/** @param root the project's folder: the page's files lie in its `lib/api/reference`. */
export function referencePage(root: string): Hono {
  const app = new Hono();
  for (const { path, file, type } of FILES) {
    const text = readFileSync(join(root, "lib", "api", "reference", file), "utf8");
    app.get(path, (context) => context.body(text, 200, { ...HEADERS, "content-type": type }));
  }
  return app;
}
