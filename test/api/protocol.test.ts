import { afterEach, describe, expect, it } from "vitest";
import { requireReadKey } from "../../lib/api/keys.ts";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { T } from "../store/read-fixture.ts";
import { apiFixture, fixedMonitor, HEARTBEAT_KEY } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const opened: { close(): void }[] = [];

afterEach(() => {
  for (const thing of opened.splice(0)) thing.close();
});

async function given(overrides: Parameters<typeof apiFixture>[0] = {}): Promise<ApiFixture> {
  const api = await apiFixture(overrides);
  opened.push(api);
  return api;
}

const READ_ROUTES = [
  "/api/v1/runners",
  "/api/v1/runners/camera/a/hd",
  "/api/v1/runners/camera/a/hd/history",
  "/api/v1/runners/camera/a/hd/timeline",
  "/api/v1/runners/camera/a/hd/heartbeats",
  "/api/v1/processes",
  "/api/v1/summary",
  "/api/v1/timeline",
  "/api/v1/quarantine",
  "/api/v1/streams",
  "/metrics",
  "/metrics/runners",
  "/openapi.json",
];

describe("reading with a key", () => {
  const keys = {
    readKey: "read-1",
    operateKey: "operate-1",
    heartbeatKey: HEARTBEAT_KEY,
    more: [],
  };

  it.each(READ_ROUTES)("%s: 401 without, 403 with a wrong one, open with it", async (path) => {
    const api = await given({ keys });
    const without = await api.ask(path);
    expect([without.status, without.body.code]).toEqual([401, "unauthorized"]);
    expect(without.headers.get("www-authenticate")).toMatch(/^Bearer/);
    for (const wrong of ["read-2", "read-", HEARTBEAT_KEY]) {
      const answer = await api.ask(path, { headers: { authorization: `Bearer ${wrong}` } });
      expect([answer.status, answer.body.code]).toEqual([403, "forbidden"]);
    }
    const basic = await api.ask(path, { headers: { authorization: "Basic cmVhZC0x" } });
    expect(basic.status).toBe(401);
    for (const right of ["read-1", "operate-1"]) {
      const { status } = await api.ask(path, { headers: { authorization: `bearer ${right}` } });
      expect([401, 403]).not.toContain(status);
    }
  });

  it("leaves open what holds no data", async () => {
    const api = await given({ keys });
    for (const path of ["/livez", "/readyz", "/healthz", "/docs", "/docs/reference.js"]) {
      // Without NATS the health is bad, but it is told.
      const status = path === "/healthz" ? 503 : 200;
      expect([path, (await api.ask(path)).status]).toEqual([path, status]);
    }
  });

  it.each(["0.0.0.0", "::", "10.0.0.5", "example.org", "127.0.0.1.example.org"])(
    "is required on %s",
    (host) => {
      expect(() => requireReadKey(host, null)).toThrow(/RUNBEAT_READ_KEY/);
      expect(() => requireReadKey(host, "read-1")).not.toThrow();
    },
  );

  it.each(["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])(
    "is not required on %s",
    (host) => {
      expect(() => requireReadKey(host, null)).not.toThrow();
    },
  );
});

describe("HTTP manners", () => {
  it("answers 404 as a problem for what does not exist", async () => {
    const api = await given();
    for (const path of [
      "/nowhere",
      "/api/v1/nothing",
      "/api/v2/runners",
      "/api/v1/runners/camera",
    ]) {
      const { status, headers, body } = await api.ask(path);
      expect([path, status, body.code]).toEqual([path, 404, "not_found"]);
      expect(headers.get("content-type")).toBe("application/problem+json");
      expect(body.instance).toBe(path);
    }
  });

  it.each(READ_ROUTES)("%s: 405 with Allow for other methods", async (path) => {
    const api = await given();
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const response = await api.app.request(path, { method });
      expect([method, response.status]).toEqual([method, 405]);
      expect(response.headers.get("allow")).toBe("GET, HEAD");
    }
  });

  it("answers HEAD as GET without a body", async () => {
    const api = await given();
    const response = await api.app.request("/api/v1/runners", { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect(response.headers.get("etag")).toMatch(/^W\//);
  });

  it("answers in JSON to whoever takes it, else 406", async () => {
    const api = await given();
    const status = async (accept: string) =>
      (await api.ask("/api/v1/runners", { headers: { accept } })).status;
    for (const accept of [
      "*/*",
      "application/json",
      "APPLICATION/JSON; charset=utf-8",
      "text/html,application/xhtml+xml,*/*;q=0.8",
      "application/*",
      "",
    ]) {
      expect([accept, await status(accept)]).toEqual([accept, 200]);
    }
    for (const accept of ["text/html", "application/xml", "application/json;q=0"]) {
      expect([accept, await status(accept)]).toEqual([accept, 406]);
    }
  });

  it("keeps other pages and guessed types away", async () => {
    const api = await given();
    for (const path of ["/api/v1/runners", "/nowhere", "/docs", "/livez"]) {
      const { headers } = await api.ask(path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    }
  });

  it("says 503, and when to ask again, while there are no read models", async () => {
    const models = openReadModels({ file: "/nowhere/runbeat.db", thresholds: DEFAULT_THRESHOLDS });
    opened.push(models);
    const api = await given({ models });
    for (const path of READ_ROUTES.slice(0, 9)) {
      const { status, headers, body } = await api.ask(path);
      expect([path, status, body.code]).toEqual([path, 503, "unavailable"]);
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    }
    expect((await api.ask("/metrics")).status).toBe(200);
    expect((await api.ask("/healthz")).status).toBe(503);
  });

  it("tells the log and not the client what failed inside", async () => {
    const monitor = fixedMonitor({
      moment: () => {
        throw new Error("secret detail");
      },
    });
    const api = await given({ monitor });
    const { status, body } = await api.ask("/api/v1/runners");
    expect([status, body.code]).toEqual([500, "internal"]);
    expect(JSON.stringify(body)).not.toContain("secret");
    expect(api.faults).toHaveLength(1);
  });
});

describe("health", () => {
  it("is ready once the read models have caught up", async () => {
    let isDone = false;
    const trouble = () => "connection refused";
    const api = await given({ monitor: fixedMonitor({ hasCaughtUp: () => isDone, trouble }) });
    const before = await api.ask("/readyz");
    expect([before.status, before.body.code]).toEqual([503, "not_ready"]);
    expect(before.body.detail).toContain("connection refused");
    isDone = true;
    expect((await api.ask("/readyz")).status).toBe(200);
    expect((await api.ask("/livez")).body).toEqual({ status: "ok" });
  });

  it("says of each component how it is", async () => {
    const streams = [
      { stream: "RUNBEAT_HEARTBEATS", created: "2023-11-14T00:00:00Z", lastSeq: 12 },
    ];
    const api = await given({ monitor: fixedMonitor({ streams: () => streams }) });
    api.rows.checkpoint({ projection: "latest_heartbeat", seq: 10 });
    api.rows.checkpoint({
      projection: "timeline",
      stream: "RUNBEAT_EVENTS",
      state: "stopped",
      error: "the fold threw: x is undefined",
      error_seq: 42,
    });
    const { status, headers, body } = await api.ask("/healthz");
    expect(status).toBe(503);
    expect(headers.get("content-type")).toBe("application/health+json");
    expect(body.status).toBe("fail");
    expect(body.checks["nats:connection"][0]).toMatchObject({ status: "fail" });
    expect(body.checks["projection:latest_heartbeat"][0]).toMatchObject({
      status: "pass",
      observedValue: 2,
    });
    expect(body.checks["projection:timeline"][0]).toMatchObject({
      status: "fail",
      output: "stopped at message 42 of RUNBEAT_EVENTS: the fold threw: x is undefined",
    });
    expect(body.checks["database:wal"][0].observedUnit).toBe("bytes");
    expect(body.checks["pipeline:lag"][0]).toMatchObject({ status: "pass", observedValue: 0 });
  });

  it("fails while statuses can't be told", async () => {
    const moment = () => ({ now: T, view: { blindSince: T - 1, lastBlind: null } });
    const api = await given({ monitor: fixedMonitor({ moment }) });
    const { status, body } = await api.ask("/healthz");
    expect([status, body.checks["pipeline:lag"][0].status]).toEqual([503, "fail"]);
  });
});

describe("metrics", () => {
  it("count runners by kind and status, requests and projections", async () => {
    const streams = [
      { stream: "RUNBEAT_HEARTBEATS", created: "2023-11-14T00:00:00Z", lastSeq: 12 },
    ];
    const api = await given({
      monitor: fixedMonitor({ streams: () => streams, lagMs: () => 250 }),
    });
    api.rows.beat({ runner: "camera/a/hd" });
    api.rows.checkpoint({ projection: "latest_heartbeat", seq: 10 });
    await api.ask("/api/v1/runners");
    await api.ask("/api/v1/runners?limit=x");
    const { headers, body } = await api.ask("/metrics");
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const lines: string[] = body.split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        'runbeat_runners{kind="camera",status="online"} 1',
        'runbeat_runners{kind="camera",status="offline"} 0',
        'runbeat_runners_health{kind="camera",health="healthy"} 1',
        "runbeat_oldest_silence_seconds 1",
        "runbeat_pipeline_lag_seconds 0.25",
        'runbeat_projection_lag_messages{projection="latest_heartbeat",partition="0"} 2',
        'runbeat_http_requests_total{method="get",route="/api/v1/runners",code="200"} 1',
        'runbeat_http_requests_total{method="get",route="/api/v1/runners",code="400"} 1',
        'runbeat_http_request_duration_seconds_count{route="/api/v1/runners"} 2',
        'runbeat_http_heartbeats_total{result="stored"} 0',
      ]),
    );
    expectWellFormed(lines);
    expect(body).not.toContain("camera/a/hd");
    const own = await api.ask("/metrics/runners");
    expect(own.body).toContain('runbeat_runner_up{runner="camera/a/hd"} 1');
    expect(own.body).toContain('runbeat_runner_fps{runner="camera/a/hd"} 24.9');
    expectWellFormed(own.body.split("\n"));
  });
});

/** Every sample belongs to the family that was announced last, and no family comes twice. */
function expectWellFormed(lines: readonly string[]): void {
  const seen = new Set<string>();
  let family = "";
  for (const line of lines.slice(0, -1)) {
    const announced = /^# TYPE (\w+) (gauge|counter|histogram)$/.exec(line);
    if (announced !== null) family = announced[1] ?? "";
    if (announced !== null) expect(seen.has(family)).toBe(false);
    seen.add(family);
    if (line.startsWith("#")) continue;
    expect(line).toMatch(/^\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? -?[\d.e+-]+$/);
    expect(line.startsWith(family)).toBe(true);
  }
  expect(lines.at(-1)).toBe("");
}
