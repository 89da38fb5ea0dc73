import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatTime } from "../../lib/core/time.ts";
import { CLEAR_VIEW } from "../../lib/core/status.ts";
import { T } from "../store/read-fixture.ts";
import { apiFixture, fixedMonitor } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";

let api: ApiFixture;
let now = T;

beforeEach(async () => {
  now = T;
  api = await apiFixture({
    monitor: fixedMonitor({ moment: () => ({ now, view: CLEAR_VIEW }), lagMs: () => 12 }),
  });
});

afterEach(() => {
  api.assertNoFaults();
  api.close();
});

const names = (body: { items: { runner: string }[] }): string[] =>
  body.items.map((item) => item.runner);

describe("GET /api/v1/runners", () => {
  it("is an empty list where there is nothing", async () => {
    const { status, body } = await api.ask("/api/v1/runners");
    expect(status).toBe(200);
    expect(body).toEqual({
      items: [],
      next_cursor: null,
      as_of: { seq: 0, time: formatTime(T), lag_ms: 12 },
    });
  });

  it("is compressed for those who take it, under the same tag, where it is long", async () => {
    const accept = { headers: { "accept-encoding": "br, gzip" } };
    expect((await api.app.request("/api/v1/runners", accept)).headers.get("content-encoding")).toBe(
      null,
    );
    for (let number = 0; number < 10; number++) api.rows.beat({ runner: `camera/cam${number}/hd` });
    const plain = await api.app.request("/api/v1/runners");
    const text = await plain.text();
    const packed = await api.app.request("/api/v1/runners", accept);
    expect(packed.headers.get("content-encoding")).toBe("gzip");
    expect(packed.headers.get("etag")).toBe(plain.headers.get("etag"));
    expect(packed.headers.get("vary")).toContain("accept-encoding");
    const bytes = Buffer.from(await packed.arrayBuffer());
    expect(gunzipSync(bytes).toString()).toBe(text);
    expect(bytes.length).toBeLessThan(text.length / 4);
    const refusing = { headers: { "accept-encoding": "gzip;q=0" } };
    const refused = await api.app.request("/api/v1/runners", refusing);
    expect(refused.headers.get("content-encoding")).toBe(null);
  });

  it("shows a runner with everything that is known of it", async () => {
    api.rows.checkpoint({ projection: "latest_heartbeat", seq: 4_711 });
    api.rows.announced({ runner: "camera/front-door/hd", pid: 99, started_at: T - 90_000 });
    api.rows.announced({ runner: "camera/front-door/hd" });
    api.rows.restart({
      runner: "camera/front-door/hd",
      attempt_count: 2,
      last_attempt_at: T - 60_000,
      last_failure_reason: 'said "no"',
    });
    api.rows.beat({
      runner: "camera/front-door/hd",
      host: 'edge-"1"',
      checks: { redis_ok: true },
      metrics: { frames: 12.5 },
      labels: { backend: "cuda" },
      resources: { cpu_percent: 3, queues: { a: 1 } },
      detail: { note: "ünïcode \u2028" },
      heavy_at: T - 4_000,
      last_error: "boom",
      last_error_at: T - 1_000,
    });
    const { body } = await api.ask("/api/v1/runners");
    expect(body.as_of.seq).toBe(4_711);
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({
      runner: "camera/front-door/hd",
      kind: "camera",
      name: "front-door",
      profile: "hd",
      status: "online",
      status_since: formatTime(T - 59_000),
      cause: "heartbeat",
      health: "healthy",
      paused: false,
      managed: false,
      duplicate: false,
      last_heartbeat_at: formatTime(T - 1_000),
      age_ms: 1_000,
      interval_sec: 10,
      clock_skew_ms: -3,
      last_error: "boom",
      last_error_at: formatTime(T - 1_000),
      process: { host: 'edge-"1"', pid: 100, started_at: formatTime(T - 60_000), state: "running" },
      heartbeat: {
        seq: 6,
        fps: 24.9,
        detected: 2,
        matched: 1,
        latency_ms: 18.2,
        checks: { redis_ok: true },
        metrics: { frames: 12.5 },
        labels: { backend: "cuda" },
        resources: { cpu_percent: 3, queues: { a: 1 } },
        detail: { note: "ünïcode \u2028" },
        camera_state: "healthy",
        heavy_at: formatTime(T - 4_000),
      },
      restart: {
        attempt_count: 2,
        last_attempt_at: formatTime(T - 60_000),
        last_failure_reason: 'said "no"',
        cooldown_until: null,
      },
      desired: null,
    });
  });

  it("shows a runner whose process ended with how it ended", async () => {
    api.rows.announced({
      runner: "process/job/default",
      state: "exited",
      exit_code: 3,
      ended_at: T - 500,
      end_reason: "crash",
    });
    const { body } = await api.ask("/api/v1/runners/process/job/default");
    expect(body).toMatchObject({
      status: "offline",
      cause: "ended",
      managed: true,
      health: null,
      heartbeat: null,
      last_heartbeat_at: null,
      age_ms: null,
      process: { state: "exited", exit_code: 3, signal: null, ended_at: formatTime(T - 500) },
    });
  });

  it("shows what the fleet file wants", async () => {
    api.models.declare([{ runner: "service/vpn/main", driver: "external", intervalSec: 30 }], T);
    const { body } = await api.ask("/api/v1/runners/service/vpn/main");
    expect(body).toMatchObject({
      status: "starting",
      process: null,
      interval_sec: 30,
      desired: { driver: "external", interval_sec: 30 },
    });
  });

  it("is sorted worst first, and as asked for", async () => {
    api.rows.beat({ runner: "camera/a/hd" });
    api.rows.beat({ runner: "camera/b/hd", last_heartbeat_at: T - 200_000 });
    api.rows.beat({ runner: "camera/c/hd", last_heartbeat_at: T - 20_000 });
    const list = async (query: string) =>
      names((await api.ask(`/api/v1/runners${query}`)).body)
        .map((name) => name[7])
        .join("");
    expect(await list("")).toBe("bca");
    expect(await list("?sort=-severity")).toBe("acb");
    expect(await list("?sort=runner")).toBe("abc");
    expect(await list("?sort=-runner")).toBe("cba");
    expect(await list("?sort=last_heartbeat_at")).toBe("bca");
    expect(await list("?sort=-last_heartbeat_at")).toBe("acb");
    expect(await list("?sort=status")).toBe("bac");
  });

  it("is filtered by every parameter, lists with commas or repeated", async () => {
    api.rows.beat({ runner: "camera/a/hd", labels: { gpu: "0", url: "a,b:c" } });
    api.rows.beat({ runner: "worker/b/default", host: "edge-2", health: "degraded" });
    api.rows.beat({ runner: "process/c/default", last_heartbeat_at: T - 20_000 });
    const list = async (query: string) =>
      names((await api.ask(`/api/v1/runners?sort=runner&${query}`)).body)
        .map((name) => name.split("/")[1])
        .join("");
    expect(await list("kind=camera,worker")).toBe("ab");
    expect(await list("kind=camera&kind=process")).toBe("ac");
    expect(await list("status=stale")).toBe("c");
    expect(await list("health=degraded")).toBe("b");
    expect(await list("host=edge-2")).toBe("b");
    expect(await list("label=gpu:0")).toBe("a");
    expect(await list("label=gpu:0&label=url:a,b:c")).toBe("a");
    expect(await list("label=gpu:0&label=gpu:1")).toBe("");
    expect(await list("q=EDGE-2")).toBe("b");
    expect(await list("q=default")).toBe("cb");
    expect(await list("kind=&status=&q=&cursor=&limit=")).toBe("acb");
  });

  it("goes on from page to page without gap or double while statuses change", async () => {
    for (let index = 0; index < 25; index++) {
      const name = `camera/n${String(index).padStart(2, "0")}/hd`;
      api.rows.beat({ runner: name, last_heartbeat_at: T - 10_000 - index });
    }
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const { body } = await api.ask(`/api/v1/runners?limit=4&cursor=${cursor}`);
      seen.push(...names(body));
      cursor = body.next_cursor;
      // Were they judged by the clock of each page, half of them would be stale by the second one.
      now += 5_000;
      expect(body.as_of.time).toBe(formatTime(T));
    }
    expect(seen).toHaveLength(25);
    expect(new Set(seen).size).toBe(25);
  });

  it("judges by the present moment again once a cursor is old", async () => {
    for (const name of ["a", "b", "c"]) api.rows.beat({ runner: `camera/${name}/hd` });
    const first = await api.ask("/api/v1/runners?limit=1&sort=runner");
    now += 16 * 60_000;
    const second = await api.ask(
      `/api/v1/runners?limit=1&sort=runner&cursor=${first.body.next_cursor}`,
    );
    expect(second.body.items[0]).toMatchObject({ runner: "camera/b/hd", status: "offline" });
  });
});

describe("GET /api/v1/runners/{kind}/{name}/{profile}", () => {
  it.each(["camera/nobody/hd", "elephant/a/b", "camera/a.b/hd", "camera/%20/hd"])(
    "does not know %s",
    async (runner) => {
      const { status, headers, body } = await api.ask(`/api/v1/runners/${runner}`);
      expect(status).toBe(404);
      expect(headers.get("content-type")).toBe("application/problem+json");
      expect(body).toMatchObject({ code: "unknown_runner", status: 404 });
    },
  );

  it("is found with and without a slash at the end", async () => {
    api.rows.beat({ runner: "camera/a/hd" });
    for (const path of ["/api/v1/runners/camera/a/hd", "/api/v1/runners/camera/a/hd/"]) {
      const { status, body } = await api.ask(path);
      expect([status, body.runner]).toEqual([200, "camera/a/hd"]);
    }
  });
});

describe("the entity tag", () => {
  const tagOf = async (path: string): Promise<string> =>
    (await api.ask(path)).headers.get("etag") ?? "";

  it("stays the same while nothing but time passes", async () => {
    api.rows.beat({ runner: "camera/a/hd" });
    api.rows.beat({ runner: "camera/b/hd" });
    for (const path of [
      "/api/v1/runners",
      "/api/v1/runners?limit=1",
      "/api/v1/runners/camera/a/hd",
      "/api/v1/summary",
    ]) {
      now = T;
      const tag = await tagOf(path);
      now = T + 3_000;
      const again = await api.ask(path, { headers: { "if-none-match": tag } });
      expect([path, again.status]).toEqual([path, 304]);
      expect(again.headers.get("etag")).toBe(tag);
      expect(again.body).toBe("");
    }
  });

  it("changes with a status, a heartbeat and the page's end", async () => {
    api.rows.beat({ runner: "camera/a/hd" });
    const tag = await tagOf("/api/v1/runners?limit=1");
    now = T + 20_000;
    const stale = await tagOf("/api/v1/runners?limit=1");
    api.rows.beat({ runner: "camera/a/hd", seq: 7 });
    const beaten = await tagOf("/api/v1/runners?limit=1");
    api.rows.beat({ runner: "camera/b/hd", last_heartbeat_at: T + 19_000 });
    const more = await tagOf("/api/v1/runners?limit=1");
    expect(new Set([tag, stale, beaten, more]).size).toBe(4);
  });

  it.each(["*", '"other", W/"x" , TAG', "TAG"])("is met by If-None-Match: %s", async (header) => {
    const tag = await tagOf("/api/v1/runners");
    const headers = { "if-none-match": header.replace("TAG", tag) };
    expect((await api.ask("/api/v1/runners", { headers })).status).toBe(304);
    const strong = { "if-none-match": tag.replace("W/", "") };
    expect((await api.ask("/api/v1/runners", { headers: strong })).status).toBe(304);
    const other = { "if-none-match": 'W/"other"' };
    expect((await api.ask("/api/v1/runners", { headers: other })).status).toBe(200);
  });
});
