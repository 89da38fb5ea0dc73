import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiFixture } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const MAX_BYTES = 200_000;

let api: ApiFixture;

beforeAll(async () => {
  api = await apiFixture({
    keys: { readKey: "read-1", operateKey: null, heartbeatKey: "heartbeat-1", more: [] },
  });
});

afterAll(() => api.close());

async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return await api.app.request(path, { headers });
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

async function assetPaths(): Promise<string[]> {
  const html = await (await get("/")).text();
  return [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path = ""]) => path);
}

describe("the page for people", () => {
  it("is at the root and under the address of each of its pages, and needs no key by itself", async () => {
    const root = await get("/");
    expect([root.status, root.headers.get("content-type")]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    const html = await root.text();
    for (const path of ["/events", "/alerts", "/pipeline", "/runners/camera/front-door/hd"])
      expect([path, await (await get(path)).text()]).toEqual([path, html]);
    expect((await get("/nothing")).status).toBe(404);
  });

  it("loads nothing from elsewhere and runs nothing that is written into it", async () => {
    const root = await get("/");
    const policy = root.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const html = await root.text();
    expect(html).not.toMatch(/https?:\/\/|<script>|style=/);
  });

  it("is asked for anew each time, its assets once", async () => {
    const root = await get("/");
    expect(root.headers.get("cache-control")).toBe("no-cache");
    const tag = root.headers.get("etag") ?? "";
    expect((await get("/", { "if-none-match": tag })).status).toBe(304);
    const paths = await assetPaths();
    expect(paths).toHaveLength(3);
    for (const path of paths) {
      const asset = await get(path);
      expect(path).toMatch(/^\/assets\/[a-z]+-[0-9a-f]{10}\.[a-z]+$/);
      expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    }
  });

  it("comes compressed, and is small", async () => {
    let total = 0;
    for (const path of ["/", ...(await assetPaths())]) {
      const plain = await bytesOf(await get(path));
      const brotli = await get(path, { "accept-encoding": "gzip, deflate, br" });
      expect(brotli.headers.get("content-encoding")).toBe("br");
      const bytes = await bytesOf(brotli);
      total += bytes.length;
      expect(brotliDecompressSync(bytes).equals(plain)).toBe(true);
      const gzip = await bytesOf(await get(path, { "accept-encoding": "gzip" }));
      expect(gunzipSync(gzip).equals(plain)).toBe(true);
    }
    expect(total).toBeLessThan(MAX_BYTES);
  });
});
