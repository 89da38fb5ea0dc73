import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatTime } from "../../lib/core/time.ts";
import { T } from "../store/read-fixture.ts";
import { apiFixture } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

const CAM = "/api/v1/runners/camera/a/hd";
let api: ApiFixture;

beforeEach(async () => {
  api = await apiFixture();
});

afterEach(() => {
  api.assertNoFaults();
  api.close();
});

describe("history", () => {
  it("lists snapshots newest first", async () => {
    api.rows.snapshot({ runner: "camera/a/hd", ts: T - 2_000, fps: null, seq: 7 });
    api.rows.snapshot({ runner: "camera/a/hd", ts: T - 1_000, last_error: "boom", health: null });
    const { body } = await api.ask(`${CAM}/history`);
    expect(body.items).toEqual([
      {
        ts: formatTime(T - 1_000),
        host: "edge-1",
        pid: 100,
        health: null,
        fps: 25,
        detected: 2,
        matched: 1,
        latency_ms: 18,
        last_error: "boom",
        seq: 2,
      },
      expect.objectContaining({ ts: formatTime(T - 2_000), fps: null, seq: 7 }),
    ]);
  });

  it("puts them together in buckets", async () => {
    const minute = Math.floor(T / 60_000) * 60_000;
    for (const [index, fps] of [10, 20, 30].entries()) {
      api.rows.snapshot({ runner: "camera/a/hd", ts: minute + index * 1_000, fps });
    }
    api.rows.snapshot({ runner: "camera/a/hd", ts: minute - 1, fps: null, last_error: "boom" });
    const { body } = await api.ask(`${CAM}/history?every=60s`);
    expect(body.items).toEqual([
      {
        ts: formatTime(minute),
        count: 3,
        errors: 0,
        fps: { mean: 20, min: 10, max: 30 },
        detected: { mean: 2, min: 2, max: 2 },
        matched: { mean: 1, min: 1, max: 1 },
        latency_ms: { mean: 18, min: 18, max: 18 },
      },
      expect.objectContaining({ ts: formatTime(minute - 60_000), count: 1, errors: 1, fps: null }),
    ]);
    const page = await api.ask(`${CAM}/history?every=1m&limit=1`);
    const next = await api.ask(`${CAM}/history?every=1m&limit=1&cursor=${page.body.next_cursor}`);
    expect(next.body).toMatchObject({ items: [{ count: 1 }], next_cursor: null });
  });

  it("keeps to a span of time", async () => {
    for (const ts of [T, T + 1_000, T + 2_000]) api.rows.snapshot({ runner: "camera/a/hd", ts });
    const from = formatTime(T + 500);
    const to = encodeURIComponent("2023-11-14T23:13:21.500+01:00");
    const { body } = await api.ask(`${CAM}/history?from=${from}&to=${to}`);
    expect(body.items.map((item: { ts: string }) => item.ts)).toEqual([formatTime(T + 1_000)]);
  });

  it("is empty for a runner that has none, and unknown for one that nobody knows", async () => {
    expect((await api.ask(`${CAM}/history`)).status).toBe(404);
    expect((await api.ask(`${CAM}/timeline`)).status).toBe(404);
    api.rows.beat({ runner: "camera/a/hd" });
    expect((await api.ask(`${CAM}/history`)).body.items).toEqual([]);
    expect((await api.ask(`${CAM}/timeline`)).body.items).toEqual([]);
  });
});

describe("the timeline", () => {
  it("shows what happened, to all or to one", async () => {
    api.rows.event({
      runner: "camera/a/hd",
      type: "process_exited",
      time: T,
      data: { exit_code: 1, nested: { a: [1] } },
    });
    api.rows.event({ runner: "camera/b/hd", type: "camera_online" });
    const all = await api.ask("/api/v1/timeline");
    expect(all.body.items.map((item: { seq: number }) => item.seq)).toEqual([2, 1]);
    expect(all.body.items[1]).toEqual({
      stream: "RUNBEAT_EVENTS",
      seq: 1,
      time: formatTime(T),
      runner: "camera/a/hd",
      type: "process_exited",
      by: "enforcer@edge-1",
      data: { exit_code: 1, nested: { a: [1] } },
    });
    for (const path of [
      `${CAM}/timeline`,
      "/api/v1/timeline?runner=camera/a/hd",
      "/api/v1/timeline?type=process_exited,process_lost",
    ]) {
      expect((await api.ask(path)).body.items.map((item: { seq: number }) => item.seq)).toEqual([
        1,
      ]);
    }
  });
});

describe("processes", () => {
  it("are listed with arguments, environment and end", async () => {
    api.rows.announced({
      runner: "camera/a/hd",
      effective_args: ["ffmpeg", "-i", "rtsp://***@x"] as never,
      effective_env: { KEY: "***" },
      state: "killed",
      signal: "SIGKILL",
      ended_at: T - 10,
    });
    api.rows.heard({ runner: "camera/a/hd", started_at: 0, pid: 7 });
    const { body } = await api.ask("/api/v1/processes");
    expect(body.items).toEqual([
      expect.objectContaining({ pid: 7, started_at: null, managed: false, state: "running" }),
      {
        runner: "camera/a/hd",
        kind: "camera",
        name: "a",
        profile: "hd",
        host: "edge-1",
        pid: 100,
        started_at: formatTime(T - 60_000),
        state: "killed",
        status: "offline",
        managed: true,
        effective_args: ["ffmpeg", "-i", "rtsp://***@x"],
        effective_env: { KEY: "***" },
        last_heartbeat_at: null,
        last_error: "",
        last_error_at: null,
        exit_code: null,
        signal: "SIGKILL",
        ended_at: formatTime(T - 10),
        end_reason: null,
        heartbeat_count: 0,
      },
    ]);
    const killed = await api.ask(
      "/api/v1/processes?state=killed,lost&runner=camera/a/hd&host=edge-1",
    );
    expect(killed.body.items).toHaveLength(1);
    const first = await api.ask("/api/v1/processes?limit=1");
    const second = await api.ask(`/api/v1/processes?limit=1&cursor=${first.body.next_cursor}`);
    expect(second.body).toMatchObject({ items: [{ pid: 100 }], next_cursor: null });
  });
});

describe("the quarantine", () => {
  it("shows rejected messages whole, as text where they are text", async () => {
    const bytes = Buffer.from([0xff, 0xfe]);
    api.rows.rejected({ stream_seq: 5, time: T, source_seq: 77 });
    api.rows.rejected({ stream_seq: 6, reason: "bad_utf8", payload: bytes.toString("base64") });
    const { body } = await api.ask("/api/v1/quarantine");
    expect(body.items[0]).toMatchObject({ seq: 6, payload: "//4=", payload_text: null });
    expect(body.items[1]).toEqual({
      seq: 5,
      reason: "bad_json",
      subject: "runbeat.hb.camera.front.hd",
      time: formatTime(T),
      bytes: 3,
      payload: Buffer.from("{{{").toString("base64"),
      payload_text: "{{{",
      message: "the body is not JSON",
      source: { stream: "RUNBEAT_HEARTBEATS", seq: 77 },
      state: "open",
      resolved_by: null,
      resolved_at: null,
    });
    const filtered = await api.ask("/api/v1/quarantine?reason=bad_json&state=open");
    expect(filtered.body.items).toHaveLength(1);
  });
});

describe("the summary", () => {
  it("counts every status, zeros included, and names every projection", async () => {
    api.rows.beat({ runner: "camera/a/hd", last_heartbeat_at: T - 20_000 });
    api.rows.checkpoint({ projection: "latest_heartbeat", seq: 9 });
    api.rows.checkpoint({ projection: "latest_heartbeat", seq: 9, lane: "fast" });
    const { body } = await api.ask("/api/v1/summary");
    expect(body).toMatchObject({
      total: 1,
      status: { starting: 0, online: 0, stale: 1, missing: 0, offline: 0, unknown: 0 },
      health: { healthy: 1, degraded: 0, unhealthy: 0 },
      kinds: {
        camera: { total: 1, status: { stale: 1 } },
        worker: { total: 0 },
        service: { total: 0 },
        process: { total: 0 },
      },
      oldest_silence: {
        runner: "camera/a/hd",
        last_heartbeat_at: formatTime(T - 20_000),
        age_ms: 20_000,
      },
      projections: [
        {
          name: "latest_heartbeat",
          version: 1,
          partition: 0,
          seq: 9,
          lag: null,
          updated_at: formatTime(T),
          state: "running",
        },
      ],
    });
  });
});

const LISTS = [
  "/api/v1/runners",
  "/api/v1/processes",
  "/api/v1/timeline",
  "/api/v1/quarantine",
  `${CAM}/history`,
  `${CAM}/timeline`,
];

describe("every list", () => {
  it.each(LISTS)("%s: limit is 1 to 1000, and said so", async (path) => {
    for (const limit of ["0", "1001", "-1", "ten", "1.5", "1e2", "99999999999999999999"]) {
      const { status, body } = await api.ask(`${path}?limit=${limit}`);
      expect([limit, status, body.code]).toEqual([limit, 400, "invalid_parameter"]);
      expect(body.detail).toContain(`limit=${limit}: must be a whole number from 1 to 1000`);
    }
  });

  it.each(LISTS)(
    "%s: an unknown parameter is refused by name, with what there is",
    async (path) => {
      const { status, body } = await api.ask(`${path}?when=2026-01-31T03:12:00Z`);
      expect([status, body.code]).toEqual([400, "unknown_parameter"]);
      expect(body.detail).toMatch(/"when".*it takes .*limit, cursor/);
      expect(body).toMatchObject({ instance: path, type: "/docs#problem-unknown_parameter" });
    },
  );

  it("refuses a parameter given twice, and values that are not allowed", async () => {
    const bad: Record<string, RegExp> = {
      "/api/v1/runners?limit=1&limit=2": /limit is given 2 times/,
      "/api/v1/runners?kind=camera,dog": /kind=camera,dog: .*"camera".*"process"/,
      "/api/v1/runners?label=cuda": /key:value/,
      "/api/v1/runners?sort=age": /sort=age/,
      "/api/v1/runners?retired=maybe": /retired=maybe/,
      "/api/v1/timeline?from=yesterday": /from=yesterday: must be an RFC 3339 time/,
      "/api/v1/timeline?from=2026-02-30T00:00:00Z": /must be an RFC 3339 time/,
      "/api/v1/timeline?runner=camera": /must be kind\/name\/profile/,
      [`${CAM}/history?every=5x`]: /must be from 1s to 30d/,
      [`${CAM}/history?every=0`]: /must be from 1s to 30d/,
    };
    for (const [path, detail] of Object.entries(bad)) {
      const { status, body } = await api.ask(path);
      expect([path, status]).toEqual([path, 400]);
      expect(body.detail).toMatch(detail);
    }
  });
});

describe("cursors", () => {
  beforeEach(() => {
    for (const name of ["a", "b", "c"]) api.rows.beat({ runner: `camera/${name}/hd` });
  });

  it("are refused when anything about them was changed", async () => {
    const { body } = await api.ask("/api/v1/runners?limit=1");
    const cursor: string = body.next_cursor;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(cursor.length - 1),
        fc.constantFrom("A", "z", "-", "9"),
        async (at, letter) => {
          const changed = cursor.slice(0, at) + letter + cursor.slice(at + 1);
          fc.pre(changed !== cursor);
          const answer = await api.ask(`/api/v1/runners?limit=1&cursor=${changed}`);
          expect([answer.status, answer.body.code]).toEqual([400, "invalid_cursor"]);
        },
      ),
      { numRuns: 60 },
    );
    const same = await api.ask(`/api/v1/runners?limit=1&cursor=${cursor}`);
    expect(same.status).toBe(200);
  });

  it.each(["x", "null", "e30", "%00", "a".repeat(5_000), encodeURIComponent("=/+")])(
    "are refused when they are not ours: %s",
    async (cursor) => {
      const { status, body } = await api.ask(`/api/v1/runners?cursor=${cursor}`);
      expect([status, body.code]).toEqual([400, "invalid_cursor"]);
    },
  );

  it("belong to one query: other filters, order or route refuse them", async () => {
    const { body } = await api.ask("/api/v1/runners?limit=1&kind=camera");
    const { next_cursor: cursor } = body;
    for (const path of [
      "/api/v1/runners?",
      "/api/v1/runners?kind=camera&sort=runner&",
      "/api/v1/processes?",
    ]) {
      expect((await api.ask(`${path}cursor=${cursor}`)).status).toBe(400);
    }
    const larger = await api.ask(`/api/v1/runners?limit=50&kind=camera&cursor=${cursor}`);
    expect(larger.body.items).toHaveLength(2);
  });
});
