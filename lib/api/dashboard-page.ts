/** The page for people: files that the build made, served as they are. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "hono";
import type { Api } from "./api.ts";

/** Nothing but our own files may be loaded, and nothing may be sent elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** The page itself tells them apart. */
const PAGES = ["/", "/events", "/alerts", "/pipeline", "/runners/:kind/:name/:profile"];

/** The name of an asset changes with what is in it. */
const FOR_EVER = "public, max-age=31536000, immutable";

const ENCODINGS = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

interface Asset {
  readonly type: string;
  readonly tag: string;
  readonly caching: string;
  /** By its name in `Accept-Encoding`; "" is plain. */
  readonly content: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** Beside this module's compiled form, or where the build put it. */
function folder(): string | undefined {
  const places = ["../dashboard/", "../../dist/lib/dashboard/"];
  const paths = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return paths.find((path) => existsSync(join(path, "assets")));
}

function readAsset(file: string, caching: string): Asset {
  const plain = new Uint8Array(readFileSync(file));
  const content = new Map([["", plain]]);
  for (const [name, ending] of ENCODINGS)
    content.set(name, new Uint8Array(readFileSync(file + ending)));
  return {
    type: TYPES[extname(file)] ?? "application/octet-stream",
    tag: `W/"${createHash("sha1").update(plain).digest("base64url")}"`,
    caching,
    content,
  };
}

/** Without a build, the way in is the reference of the API. */
export function addDashboardPage(api: Api): void {
  const { app } = api.router;
  const place = folder();
  if (place === undefined) {
    app.get("/", (c) => c.redirect("/docs"));
    return;
  }
  const page = readAsset(join(place, "index.html"), "no-cache");
  for (const path of PAGES) app.get(path, (c) => answer(c, page));
  for (const name of readdirSync(join(place, "assets")))
    if (TYPES[extname(name)] !== undefined) {
      const asset = readAsset(join(place, "assets", name), FOR_EVER);
      app.get(`/assets/${name}`, (c) => answer(c, asset));
    }
}

function answer(c: Context, { type, tag, caching, content }: Asset): Response {
  const headers = {
    etag: tag,
    "cache-control": caching,
    "content-security-policy": POLICY,
    vary: "accept-encoding",
  };
  if (c.req.header("if-none-match") === tag) return c.body(null, 304, headers);
  const accepted = c.req.header("accept-encoding") ?? "";
  const encoding =
    ENCODINGS.find(([name]) => new RegExp(`\\b${name}\\b`).test(accepted))?.[0] ?? "";
  const body = content.get(encoding) ?? new Uint8Array();
  const encoded = encoding === "" ? {} : { "content-encoding": encoding };
  return c.body(body, 200, { ...headers, ...encoded, "content-type": type });
}
