import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { decodeEvent } from "../../lib/core/event.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture, HEARTBEAT_KEY, post } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";
import { ingestFixture } from "./ingest-fixture.ts";
import type { IngestFixture } from "./ingest-fixture.ts";

const CAMERA = "/api/runner/heartbeat/";
const WORKER = "/v1/heartbeat";
const BATCH = "/api/v1/heartbeats";

let ingest: IngestFixture;
let api: ApiFixture;

beforeAll(async () => {
  ingest = await ingestFixture();
  api = ingest.api;
});

afterEach(() => {
  api.assertNoFaults();
});

afterAll(async () => {
  await ingest.close();
});

describe("POST /v1/workers and /v1/heartbeat", () => {
  const beat = { worker_id: "w-1", timestamp: "2025-10-19T00:00:00Z", health_status: "healthy" };
  const token = { authorization: `Bearer ${HEARTBEAT_KEY}` };
  const bearer = (body: unknown, headers: Record<string, string> = token): RequestInit => ({
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

  it("does not know a worker that never registered", async () => {
    const answer = await api.ask(WORKER, bearer(beat));
    expect([answer.status, answer.body.code]).toEqual([404, "unknown_worker"]);
    expect(answer.body.detail).toContain("POST /v1/workers");
  });

  it("registers a worker with an event, once new and then known", async () => {
    const registration = { worker_id: "w-1", host: "gpu-1", pid: 77, labels: { backend: "cuda" } };
    expect((await api.ask("/v1/workers", bearer(registration))).status).toBe(201);
    expect((await api.ask("/v1/workers/", bearer(registration))).status).toBe(200);
    const subject = "runbeat.ev.worker.w-1.default.worker_registered";
    const message = await ingest.jsm.streams.getMessage("RUNBEAT_EVENTS", {
      last_by_subj: subject,
    });
    const decoded = decodeEvent("worker_registered", message?.data ?? new Uint8Array());
    expect(decoded).toMatchObject({
      ok: true,
      event: { data: { host: "gpu-1", pid: 77, labels: { backend: "cuda" } } },
    });
    // The same again within a minute is the same event.
    expect((await ingest.jsm.streams.info("RUNBEAT_EVENTS")).state.messages).toBe(1);
  });

  it("takes a registered worker's heartbeat", async () => {
    const answer = await api.ask(WORKER, bearer(beat));
    expect([answer.status, answer.body.runner]).toEqual([200, "worker/w-1/default"]);
    const { subject, body } = await ingest.stored(answer.body.seq);
    expect(subject).toBe("runbeat.hb.worker.w-1.default");
    expect(body).toEqual({ pid: 1, ts: "2025-10-19T00:00:00Z", health: "healthy" });
  });

  it.each(["Degraded", "UNHEALTHY", "healthy"])("reads the health %s in any case", async (text) => {
    const answer = await api.ask(
      WORKER,
      bearer({ ...beat, health_status: text, pid: 5, memory: 3 }),
    );
    const { body } = await ingest.stored(answer.body.seq);
    expect(body).toMatchObject({ health: text.toLowerCase(), pid: 5, memory: 3 });
  });

  it("knows a worker that another API registered, and one that the fleet file declares", async () => {
    const second = await apiFixture({ streams: ingest.streams });
    try {
      expect((await second.ask(WORKER, bearer(beat))).status).toBe(200);
      const declared = { ...beat, worker_id: "w-9", profile: "big" };
      expect((await second.ask(WORKER, bearer(declared))).status).toBe(404);
      second.models.declare(
        [{ runner: "worker/w-9/big", driver: "external", intervalSec: null }],
        Date.now(),
      );
      const answer = await second.ask(WORKER, bearer(declared));
      expect([answer.status, answer.body.runner]).toEqual([200, "worker/w-9/big"]);
      second.rows.restart({ runner: "worker/w-7/default", registered_at: 1 });
      expect((await second.ask(WORKER, bearer({ ...beat, worker_id: "w-7" }))).status).toBe(200);
    } finally {
      second.close();
    }
  });

  it("asks for a key with 401, and refuses a wrong one with 403", async () => {
    for (const path of [WORKER, "/v1/workers", BATCH]) {
      const without = await api.ask(path, bearer(beat, {}));
      expect([path, without.status]).toEqual([path, 401]);
      expect(without.headers.get("www-authenticate")).toMatch(/^Bearer/);
      const wrong = await api.ask(path, bearer(beat, { authorization: "Bearer no" }));
      expect([path, wrong.status]).toEqual([path, 403]);
      const bisk = await api.ask(path, bearer(beat, { "x-bisk-key": HEARTBEAT_KEY }));
      expect([401, 403]).not.toContain(bisk.status);
    }
  });

  it.each([
    [WORKER, { timestamp: 5 }, /worker_id/],
    [WORKER, { ...beat, health_status: "fine" }, /health_status/],
    [WORKER, { ...beat, timestamp: "soon" }, /ts/],
    [WORKER, { ...beat, worker_id: "a/b" }, /1-64 characters/],
    ["/v1/workers", { host: "x" }, /worker_id/],
    ["/v1/workers", { worker_id: "a b" }, /1-64 characters/],
    ["/v1/workers", { worker_id: "w", pid: 0 }, /pid/],
  ])("%s answers 400 to %j", async (path, body, detail) => {
    const answer = await api.ask(path, bearer(body));
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_body"]);
    expect(answer.body.detail).toMatch(detail);
  });
});

describe("POST /api/v1/heartbeats", () => {
  it("takes one", async () => {
    const answer = await api.ask(BATCH, post({ runner: "process/p/default", pid: 3, seq: 9 }));
    expect(answer.status).toBe(202);
    expect(await ingest.stored(answer.body.seq)).toMatchObject({ body: { pid: 3, seq: 9 } });
  });

  it("takes many, in order, with a result for each", async () => {
    const bodies = Array.from({ length: 1_000 }, (_, index) => ({
      runner: `process/p${index % 7}/default`,
      pid: index + 1,
    }));
    const before = await ingest.lastSeq();
    const { status, body } = await api.ask(BATCH, post(bodies));
    expect(status).toBe(202);
    expect(body.items.map((item: { seq: number }) => item.seq)).toEqual(
      bodies.map((_, index) => before + 1 + index),
    );
    expect(await ingest.stored(before + 500)).toMatchObject({ body: { pid: 500 } });
  });

  it("says of each what became of it where only some are right", async () => {
    const { status, body } = await api.ask(
      BATCH,
      post([{ runner: "process/p/default", pid: 1 }, { runner: "dog/p/x", pid: 1 }, 7, { pid: 2 }]),
    );
    expect(status).toBe(207);
    expect(body.items.map((item: { ok: boolean }) => item.ok)).toEqual([true, false, false, false]);
    expect(body.items[1]).toMatchObject({ runner: "dog/p/x", error: { code: "invalid_body" } });
  });

  it("answers 400 where none is right, with the results", async () => {
    const { status, body } = await api.ask(BATCH, post([{ runner: "process/p/default" }, null]));
    expect([status, body.code]).toEqual([400, "invalid_body"]);
    expect(body.items).toHaveLength(2);
    expect((await api.ask(BATCH, post([]))).status).toBe(400);
    expect((await api.ask(BATCH, post({ pid: 1 }))).status).toBe(400);
  });

  it("takes no more than 1,000 at once", async () => {
    const bodies = Array.from({ length: 1_001 }, () => ({ runner: "process/p/default", pid: 1 }));
    expect((await api.ask(BATCH, post(bodies))).status).toBe(413);
  });
});

describe("keys of the configuration", () => {
  const more = [
    {
      id: "yard",
      sha256: createHash("sha256").update("yard-key").digest("hex"),
      scopes: ["heartbeat" as const],
      runners: ["camera/yard-*/hd", "worker"],
    },
  ];
  const keys = { readKey: null, operateKey: null, heartbeatKey: HEARTBEAT_KEY, more };

  it("are good for their runners and their purpose only", async () => {
    const own = await apiFixture({ streams: ingest.streams, keys });
    const yard = { "x-bisk-key": "yard-key" };
    try {
      const camera = (name: string) => ({ camera: name, profile: "hd", pid: 1 });
      expect((await own.ask(CAMERA, post(camera("yard-1"), yard))).status).toBe(202);
      expect((await own.ask(CAMERA, post(camera("door"), yard))).status).toBe(403);
      expect((await own.ask("/v1/workers", post({ worker_id: "w" }, yard))).status).toBe(403);
      const mixed = ["camera/yard-2/hd", "camera/door/hd"].map((runner) => ({ runner, pid: 1 }));
      const { status, body } = await own.ask(BATCH, post(mixed, yard));
      expect(status).toBe(207);
      expect(body.items[1]).toMatchObject({ ok: false, error: { code: "forbidden" } });
      const none = await own.ask(BATCH, post(mixed.slice(1), yard));
      expect([none.status, none.body.code]).toEqual([403, "forbidden"]);
    } finally {
      own.close();
    }
  });
});

describe("a client that posts too much", () => {
  it("is answered 429, and when to try again", async () => {
    const own = await apiFixture({
      streams: ingest.streams,
      ingestLimits: { perSec: 1, burst: 3 },
    });
    try {
      const send = async (body: unknown, headers = {}) => await own.ask(BATCH, post(body, headers));
      const one = { runner: "process/p/default", pid: 1 };
      for (let index = 0; index < 3; index++) expect((await send(one)).status).toBe(202);
      const refused = await send(one);
      expect([refused.status, refused.body.code]).toEqual([429, "rate_limited"]);
      expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      // Guessing keys is a client's share too.
      const statuses = [];
      for (let index = 0; index < 5; index++) {
        statuses.push((await send(one, { "x-bisk-key": `guess-${index}` })).status);
      }
      expect(statuses).toEqual([403, 403, 403, 429, 429]);
      expect((await own.ask("/metrics")).body).toContain(
        'runbeat_http_heartbeats_total{result="rate_limited"} 3',
      );
    } finally {
      own.close();
    }
  });
});

describe("while NATS is down", () => {
  it("stores nothing and says so at once, and goes on when it is back", async () => {
    await ingest.server.stop();
    await waitFor(() => !ingest.streams.isConnected(), { what: "the loss is noticed" });
    const one = { runner: "process/p/default", pid: 1 };
    for (const [path, body] of [
      [CAMERA, { camera: 1, profile: 1, pid: 1 }],
      [BATCH, one],
      [BATCH, [one, one]],
      ["/v1/workers", { worker_id: "new" }],
      [WORKER, { worker_id: "new" }],
    ] as const) {
      const answer = await api.ask(path, post(body));
      expect([path, answer.status, answer.body.code]).toEqual([path, 503, "unavailable"]);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    expect((await api.ask("/api/v1/runners/camera/1/1/heartbeats")).status).toBe(503);
    await ingest.server.restart();
    await waitFor(async () => (await api.ask(BATCH, post(one))).status === 202);
  });
});
