import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { HEARTBEAT_KEY, post } from "./api-fixture.ts";
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

describe("POST /api/runner/heartbeat/", () => {
  const body = { camera_id: 1, profile_id: 2, pid: 9999, fps: 5, detected: 0, matched: 0 };

  it("stores what the ops guide posts, numbers and all, and says where", async () => {
    const given = { ...body, latency_ms: 0, last_error: "debug", shift: { night: true } };
    const answer = await api.ask(CAMERA, post(given));
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({ ok: true, runner: "camera/1/2" });
    const { subject, body: kept } = await ingest.stored(answer.body.seq);
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
    const before = await ingest.lastSeq();
    const without = post("{broken");
    delete (without.headers as Record<string, string>)["x-bisk-key"];
    for (const init of [without, post(body, { "x-bisk-key": "wrong" })]) {
      const answer = await api.ask(CAMERA, init);
      expect([answer.status, answer.body.code]).toEqual([403, "forbidden"]);
    }
    expect(await ingest.lastSeq()).toBe(before);
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
