import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PROBLEMS } from "../../lib/api/problem.ts";
import { apiFixture } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";
import { assertFits } from "./schema-check.ts";
import type { OpenApiDocument, Schema } from "./schema-check.ts";

let api: ApiFixture;
let document: OpenApiDocument;

beforeAll(async () => {
  api = await apiFixture();
  document = (await (await api.app.request("/openapi.json")).json()) as OpenApiDocument;
});

afterAll(() => {
  api.close();
});

describe("/openapi.json", () => {
  it("is OpenAPI 3.1 and has every route of the API", () => {
    expect(document.openapi).toBe("3.1.0");
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(routes.toSorted()).toEqual([
      "GET /api/v1/alerts",
      "GET /api/v1/live",
      "GET /api/v1/orders",
      "GET /api/v1/processes",
      "GET /api/v1/quarantine",
      "GET /api/v1/runners",
      "GET /api/v1/runners/{kind}/{name}/{profile}",
      "GET /api/v1/runners/{kind}/{name}/{profile}/explain",
      "GET /api/v1/runners/{kind}/{name}/{profile}/heartbeats",
      "GET /api/v1/runners/{kind}/{name}/{profile}/history",
      "GET /api/v1/runners/{kind}/{name}/{profile}/timeline",
      "GET /api/v1/silences",
      "GET /api/v1/streams",
      "GET /api/v1/summary",
      "GET /api/v1/timeline",
      "GET /healthz",
      "GET /livez",
      "GET /metrics",
      "GET /metrics/runners",
      "GET /openapi.json",
      "GET /readyz",
      "POST /api/runner/heartbeat",
      "POST /api/v1/heartbeats",
      "POST /api/v1/runners/{kind}/{name}/{profile}/orders",
      "POST /api/v1/silences",
      "POST /api/v1/silences/{id}/lift",
      "POST /v1/heartbeat",
      "POST /v1/workers",
    ]);
  });

  it("refers to nothing that it does not hold", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(10);
    for (const [, reference = ""] of references) {
      const name = reference.replace("#/components/schemas/", "");
      expect(document.components.schemas).toHaveProperty([name]);
    }
  });

  it("has examples that are as it says", () => {
    const schemas = Object.entries(document.components.schemas) as [
      string,
      Schema & { example?: unknown },
    ][];
    const examples = schemas.filter(([, { example }]) => example !== undefined);
    expect(examples.map(([name]) => name)).toContain("Runner");
    for (const [name, { example }] of examples) {
      const answer = { 200: { content: { "application/json": { schema: { $ref: name } } } } };
      const described = { ...document, paths: { "/x": { get: { responses: answer } } } };
      const given = { method: "GET", path: "/x", status: 200, mediaType: "application/json" };
      expect(() => assertFits(described, { ...given, body: example })).not.toThrow();
    }
  });
});

describe("/docs", () => {
  it("needs nothing from elsewhere, and may load nothing from elsewhere", async () => {
    const response = await api.app.request("/docs");
    const html = await response.text();
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    const files = [...html.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, path = ""]) => path);
    expect(files.length).toBeGreaterThan(2);
    expect(html).not.toMatch(/https?:\/\//);
    for (const path of [...files, "/docs/elements.js", "/docs/schema.js", "/docs/try-form.js"]) {
      const file = await api.app.request(path);
      expect([path, file.status]).toEqual([path, 200]);
      expect(await file.text()).not.toMatch(/https?:\/\//);
      const tag = file.headers.get("etag") ?? "";
      const again = await api.app.request(path, { headers: { "if-none-match": tag } });
      expect([path, again.status]).toEqual([path, 304]);
    }
  });

  it("explains every problem under the address that problems give", () => {
    const listed = (document as unknown as { "x-problems": { code: string }[] })["x-problems"];
    expect(listed.map(({ code }) => code)).toEqual(Object.keys(PROBLEMS));
  });
});
