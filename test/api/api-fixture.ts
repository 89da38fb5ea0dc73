/** The API on a real database, with a clock that stands still unless a real NATS is wanted. */
import type { Hono } from "hono";
import { expect } from "vitest";
import { createApi } from "../../lib/api/app.ts";
import type { ApiOptions } from "../../lib/api/app.ts";
import type { PipelineMonitor } from "../../lib/api/pipeline-monitor.ts";
import type { StreamAccess } from "../../lib/api/stream-access.ts";
import { AppError } from "../../lib/core/errors.ts";
import type { ReadModels } from "../../lib/core/read-models.ts";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { readFixture, T } from "../store/read-fixture.ts";
import type { ReadFixture } from "../store/read-fixture.ts";
import { assertFits } from "./schema-check.ts";
import type { OpenApiDocument } from "./schema-check.ts";

export const HEARTBEAT_KEY = "heartbeat-key-1";

/** A monitor that sees everything and whose clock shows one moment. */
export function fixedMonitor(overrides: Partial<PipelineMonitor> = {}): PipelineMonitor {
  return {
    moment: () => ({ now: T, view: CLEAR_VIEW }),
    lagMs: () => 0,
    streams: () => [],
    standsAt: () => undefined,
    trouble: () => undefined,
    hasCaughtUp: () => true,
    close: () => undefined,
    ...overrides,
  };
}

/** NATS out of reach. */
export function noStreams(): StreamAccess {
  const fail = () => Promise.reject(new AppError("unavailable", "NATS is out of reach"));
  return {
    isConnected: () => false,
    askServer: fail,
    heartbeats: fail,
    publishHeartbeat: fail,
    publishEvent: fail,
    hasEvent: fail,
    sentinelReport: fail,
  };
}

export interface ApiFixture {
  readonly app: Hono;
  readonly rows: ReadFixture;
  readonly models: ReadModels;
  /** What the API logged as its own fault. */
  readonly faults: unknown[];
  /** Throws what the API logged as its own fault, if anything. */
  assertNoFaults(): void;
  /** Asks, and checks the answer against the API's own description of it. */
  ask(path: string, init?: RequestInit): Promise<Answer>;
  close(): void;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // Answers are looked into by tests: what is in them is what they are about.
  // eslint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export async function apiFixture(overrides: Partial<ApiOptions> = {}): Promise<ApiFixture> {
  const rows = await readFixture();
  const models = openReadModels({ file: rows.file, thresholds: DEFAULT_THRESHOLDS });
  const faults: unknown[] = [];
  const app = createApi({
    models,
    monitor: fixedMonitor(),
    streams: noStreams(),
    keys: { readKey: null, operateKey: null, heartbeatKey: HEARTBEAT_KEY, more: [] },
    ingestLimits: { perSec: 5_000, burst: 10_000 },
    maxBodyBytes: 20 * 2 ** 20,
    prefixes: DEFAULT_PREFIXES,
    log: { info: () => undefined, warn: () => undefined, error: (fields) => faults.push(fields) },
    version: "1.2.3",
    ...overrides,
  });
  let document: OpenApiDocument | undefined;
  return {
    app,
    rows,
    models,
    faults,
    assertNoFaults: () => {
      if (faults.length > 0) throw new Error("the API failed", { cause: faults[0] });
    },
    ask: async (path, init) => {
      document ??= await describedBy(app, overrides.keys?.readKey ?? null);
      return await ask(app, document, path, init);
    },
    close: () => {
      models.close();
      rows.close();
    },
  };
}

async function describedBy(app: Hono, readKey: string | null): Promise<OpenApiDocument> {
  const headers = readKey === null ? {} : { authorization: `Bearer ${readKey}` };
  const response = await app.request("/openapi.json", { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as OpenApiDocument;
}

async function ask(
  app: Hono,
  document: OpenApiDocument,
  path: string,
  init?: RequestInit,
): Promise<Answer> {
  const response = await app.request(path, init);
  const { status, headers } = response;
  const text = await response.text();
  const mediaType = headers.get("content-type") ?? "";
  const body: unknown = mediaType.includes("json") && text !== "" ? JSON.parse(text) : text;
  const [place = ""] = path.split("?");
  if (status !== 304 && text !== "") {
    assertFits(document, { method: init?.method ?? "GET", path: place, status, mediaType, body });
  }
  return { status, headers, body };
}

/** A heartbeat's post, with the key where it belongs. */
export function post(body: unknown, headers: Record<string, string> = {}): RequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json", "x-bisk-key": HEARTBEAT_KEY, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}
