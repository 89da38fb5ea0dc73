import { createHash } from "node:crypto";
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openStreamAccess } from "../../lib/api/jetstream-access.ts";
import type { StreamAccess } from "../../lib/api/stream-access.ts";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { decodeEvent } from "../../lib/core/event.ts";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture, HEARTBEAT_KEY, post } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const CAMERA = "/api/runner/heartbeat/";
const WORKER = "/v1/heartbeat";
const BATCH = "/api/v1/heartbeats";

let server: TestNatsServer;
let nc: NatsConnection;
let jsm: JetStreamManager;
let streams: StreamAccess;
let api: ApiFixture;

beforeAll(async () => {
  server = await startNatsServer();
  nc = await connect({ servers: server.url, reconnectTimeWait: 100, maxReconnectAttempts: -1 });
  await makeStreams(nc);
  jsm = await jetstreamManager(nc);
  streams = openStreamAccess(Promise.resolve(nc), DEFAULT_PREFIXES);
  await waitFor(() => streams.isConnected());
  api = await apiFixture({ streams });
});

afterEach(() => {
  expect(api.faults).toEqual([]);
});

afterAll(async () => {
  api.close();
  await nc.close();
});

/** What the stream holds at a sequence. */
async function stored(seq: number) {
  const message = await jsm.streams.getMessage("RUNBEAT_HEARTBEATS", { seq });
  if (message === null) throw new Error(`nothing is stored at ${seq}`);
  const body = JSON.parse(message.string()) as Record<string, unknown>;
  const runner = message.subject.replace("runbeat.hb.", "").replaceAll(".", "/");
  expect(decodeHeartbeat(runner, message.data).ok).toBe(true);
  return { subject: message.subject, body };
}

async function lastSeq(): Promise<number> {
  return (await jsm.streams.info("RUNBEAT_HEARTBEATS")).state.last_seq;
}

describe("POST /api/runner/heartbeat/", () => {
  const body = { camera_id: 1, profile_id: 2, pid: 9999, fps: 5, detected: 0, matched: 0 };

  it("stores what the ops guide posts, numbers and all, and says where", async () => {
    const given = { ...body, latency_ms: 0, last_error: "debug", shift: { night: true } };
    const answer = await api.ask(CAMERA, post(given));
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ ok: true, runner: "camera/1/2" });
    const { subject, body: kept } = await stored(answer.body.seq);
    expect(subject).toBe("runbeat.hb.camera.1.2");
    expect(kept).toEqual({
      pid: 9999,
      fps: 5,
      detected: 0,
      matched: 0,
      latency_ms: 0,
      last_error: "debug",
      shift: { night: true },
    });
  });

  it("takes names as well, with and without the last slash", async () => {
    for (const path of [CAMERA, "/api/runner/heartbeat"]) {
      const answer = await api.ask(path, post({ camera: "front-door", profile: "hd", pid: 1 }));
      expect([answer.status, answer.body.runner]).toEqual([202, "camera/front-door/hd"]);
    }
  });

  it("takes the key as X-BISK-KEY or as a bearer token", async () => {
    const bearer = { "x-bisk-key": "", authorization: `Bearer ${HEARTBEAT_KEY}` };
    const init = post(body, bearer);
    delete (init.headers as Record<string, string>)["x-bisk-key"];
    expect((await api.ask(CAMERA, init)).status).toBe(202);
  });

  it("answers 403 to a missing and to a wrong key, whatever the body", async () => {
    const before = await lastSeq();
    const without = post("{broken");
    delete (without.headers as Record<string, string>)["x-bisk-key"];
    for (const init of [without, post(body, { "x-bisk-key": "wrong" })]) {
      const answer = await api.ask(CAMERA, init);
      expect([answer.status, answer.body.code]).toEqual([403, "forbidden"]);
    }
    expect(await lastSeq()).toBe(before);
  });

  it("answers 405 with Allow to GET, key or not", async () => {
    for (const path of [CAMERA, WORKER, "/v1/workers/", `${BATCH}/`]) {
      const answer = await api.ask(path);
      expect([path, answer.status, answer.headers.get("allow")]).toEqual([path, 405, "POST"]);
    }
  });

  it.each([
    ["no pid", { camera_id: 1, profile_id: 1 }, /pid/],
    ["no camera", { profile_id: 1, pid: 1 }, /camera_id/],
    ["no profile", { camera_id: 1, pid: 1 }, /profile_id/],
    ["a camera that is no token", { camera_id: "a b", profile_id: 1, pid: 1 }, /1-64 characters/],
    ["a camera that is no number", { camera_id: 1.5, profile_id: 1, pid: 1 }, /camera_id/],
    ["a pid in quotes", { ...body, pid: "9999" }, /pid/],
    ["negative fps", { ...body, fps: -1 }, /fps/],
    ["another runner", { ...body, runner: "camera/9/9" }, /camera\/9\/9/],
    ["an array", [], /JSON object/],
    ["null", null, /JSON object/],
  ])("answers 400 to %s, and says what is wrong", async (_name, given, detail) => {
    const answer = await api.ask(CAMERA, post(given));
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_body"]);
    expect(answer.body.detail).toMatch(detail);
  });

  it.each([
    ["broken JSON", "{"],
    ["nothing", ""],
    ["NaN", '{"camera_id":1,"profile_id":1,"pid":1,"fps":NaN}'],
  ])("answers 400 to %s", async (_name, text) => {
    const answer = await api.ask(CAMERA, post(text));
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_json"]);
  });

  it("answers 400 to bytes that are not UTF-8", async () => {
    const init = { ...post(""), body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]) };
    expect((await api.ask(CAMERA, init)).body.code).toBe("invalid_json");
  });

  it("answers 400 to numbers that are not finite, wherever they are", async () => {
    for (const extra of ['"fps":1e999', '"detail":{"a":[1e999]}', '"other":-1e999']) {
      const answer = await api.ask(CAMERA, post(`{"camera_id":1,"profile_id":1,"pid":1,${extra}}`));
      expect([extra, answer.status]).toEqual([extra, 400]);
    }
  });

  it("answers 415 to another form of body", async () => {
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const zipped = { "content-encoding": "gzip" };
    for (const headers of [form, zipped, { "content-type": "text/plain" }]) {
      const answer = await api.ask(CAMERA, post(body, headers));
      expect([answer.status, answer.body.code]).toEqual([415, "unsupported_media_type"]);
    }
    const charset = { "content-type": "application/json; charset=utf-8" };
    expect((await api.ask(CAMERA, post(body, charset))).status).toBe(202);
  });

  it("answers 413 to a heartbeat of more than 16 KiB and to a body beyond all measure", async () => {
    const heavy = await api.ask(CAMERA, post({ ...body, detail: { text: "x".repeat(17_000) } }));
    expect([heavy.status, heavy.body.code]).toEqual([413, "too_large"]);
    const huge = await api.ask(CAMERA, post({ ...body, detail: { text: "x".repeat(100_000) } }));
    expect(huge.status).toBe(413);
    const fits = await api.ask(CAMERA, post({ ...body, detail: { text: "x".repeat(16_000) } }));
    expect(fits.status).toBe(202);
  });

  it("stores nothing that the folds would reject, and takes all that they would take", async () => {
    const anything = fc.record(
      {
        pid: fc.oneof(fc.integer({ min: -1, max: 5 }), fc.constant("1")),
        fps: fc.oneof(fc.double(), fc.constant(null), fc.constant("fast")),
        started_at: fc.oneof(fc.integer(), fc.constant("2026-01-31T03:12:00Z"), fc.string()),
        labels: fc.dictionary(fc.string({ maxLength: 5 }), fc.oneof(fc.string(), fc.nat())),
        checks: fc.dictionary(fc.string({ maxLength: 5 }), fc.oneof(fc.boolean(), fc.nat())),
        health: fc.constantFrom("healthy", "sick", null),
        other: fc.jsonValue({ maxDepth: 2 }),
      },
      { requiredKeys: ["pid"] },
    );
    await fc.assert(
      fc.asyncProperty(anything, async (given) => {
        const text = JSON.stringify(given);
        const { ok } = decodeHeartbeat("camera/1/1", Buffer.from(text));
        const answer = await api.ask(CAMERA, post({ ...given, camera_id: 1, profile_id: 1 }));
        expect([text, answer.status]).toEqual([text, ok ? 202 : 400]);
      }),
      { numRuns: 150 },
    );
  });
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
    const message = await jsm.streams.getMessage("RUNBEAT_EVENTS", { last_by_subj: subject });
    const decoded = decodeEvent("worker_registered", message?.data ?? new Uint8Array());
    expect(decoded).toMatchObject({
      ok: true,
      event: { data: { host: "gpu-1", pid: 77, labels: { backend: "cuda" } } },
    });
    // The same again within a minute is the same event.
    expect((await jsm.streams.info("RUNBEAT_EVENTS")).state.messages).toBe(1);
  });

  it("takes a registered worker's heartbeat", async () => {
    const answer = await api.ask(WORKER, bearer(beat));
    expect([answer.status, answer.body.runner]).toEqual([200, "worker/w-1/default"]);
    const { subject, body } = await stored(answer.body.seq);
    expect(subject).toBe("runbeat.hb.worker.w-1.default");
    expect(body).toEqual({ pid: 1, ts: "2025-10-19T00:00:00Z", health: "healthy" });
  });

  it.each(["Degraded", "UNHEALTHY", "healthy"])("reads the health %s in any case", async (text) => {
    const answer = await api.ask(
      WORKER,
      bearer({ ...beat, health_status: text, pid: 5, memory: 3 }),
    );
    const { body } = await stored(answer.body.seq);
    expect(body).toMatchObject({ health: text.toLowerCase(), pid: 5, memory: 3 });
  });

  it("knows a worker that another API registered, and one that the fleet file declares", async () => {
    const second = await apiFixture({ streams });
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
    expect(await stored(answer.body.seq)).toMatchObject({ body: { pid: 3, seq: 9 } });
  });

  it("takes many, in order, with a result for each", async () => {
    const bodies = Array.from({ length: 1_000 }, (_, index) => ({
      runner: `process/p${index % 7}/default`,
      pid: index + 1,
    }));
    const before = await lastSeq();
    const { status, body } = await api.ask(BATCH, post(bodies));
    expect(status).toBe(202);
    expect(body.items.map((item: { seq: number }) => item.seq)).toEqual(
      bodies.map((_, index) => before + 1 + index),
    );
    expect(await stored(before + 500)).toMatchObject({ body: { pid: 500 } });
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
    const own = await apiFixture({ streams, keys });
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
    const own = await apiFixture({ streams, ingestLimits: { perSec: 1, burst: 3 } });
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
    await server.stop();
    await waitFor(() => !streams.isConnected(), { what: "the loss is noticed" });
    const startedAt = performance.now();
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
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await server.restart();
    await waitFor(async () => (await api.ask(BATCH, post(one))).status === 202);
  });
});
