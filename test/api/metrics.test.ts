import { afterEach, describe, expect, it } from "vitest";
import { CLEAR_VIEW } from "../../lib/core/status.ts";
import { LabelledCounts } from "../../lib/api/metrics-counters.ts";
import { T } from "../store/read-fixture.ts";
import { waitFor } from "../support/wait-for.ts";
import { apiFixture, fixedMonitor, noStreams } from "./api-fixture.ts";
import type { ApiFixture } from "./api-fixture.ts";
import { parseMetrics } from "./prometheus-text.ts";
import type { MetricFamily } from "./prometheus-text.ts";

const opened: ApiFixture[] = [];

afterEach(() => {
  for (const api of opened.splice(0)) {
    api.assertNoFaults();
    api.close();
  }
});

/** The read models are looked at anew for each moment. */
async function given() {
  let now = T;
  const moment = () => ({ now, view: CLEAR_VIEW });
  const api = await apiFixture({ monitor: fixedMonitor({ moment }) });
  opened.push(api);
  const scrape = async (path = "/metrics") => {
    now += 1_000;
    const { status, headers, body } = await api.ask(path);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    return parseMetrics(body as string);
  };
  return { api, scrape };
}

type Families = ReadonlyMap<string, MetricFamily>;

function value(families: Families, family: string, labels: Record<string, string> = {}) {
  const name = families.has(family) ? family : family.replace(/_(?:bucket|sum|count)$/, "");
  return families
    .get(name)
    ?.samples.find(
      (sample) =>
        sample.name === family && JSON.stringify(sample.labels) === JSON.stringify(labels),
    )?.value;
}

const DAY = "camera/day/hd";

describe("the metrics of a fleet", () => {
  it("are there before anything is, in the strict format", async () => {
    const { scrape } = await given();
    const families = await scrape();
    expect(value(families, "runbeat_detection_latency_seconds_count", { kind: "camera" })).toBe(0);
    expect(value(families, "runbeat_events_total", { type: "throttle_started" })).toBe(0);
    expect(value(families, "runbeat_messages_rejected_total", { reason: "bad_json" })).toBe(0);
    expect(value(families, "runbeat_restarts_total", { kind: "worker" })).toBe(0);
    await scrape("/metrics/runners");
  });

  it("count workers by backend and device, cameras by state, and those in trouble", async () => {
    const { api, scrape } = await given();
    const labels = JSON.stringify({ backend: "cuda", device: "gpu0" });
    api.rows.beat({ runner: "worker/w1/default", labels, camera_state: null });
    api.rows.beat({ runner: "worker/w2/default", labels, camera_state: null });
    api.rows.beat({ runner: "worker/w3/default", camera_state: null });
    api.rows.beat({
      runner: DAY,
      camera_state: "degraded",
      labels: '{"backend":"cpu"}',
      resources: '{"throttled":true,"throttle_reason":"Memory at 85%, limit 80%"}',
      checks: '{"disk_space":false,"memory":true}',
    });
    const families = await scrape();
    const worker = { status: "online", backend: "cuda", device: "gpu0" };
    expect(value(families, "runbeat_workers", worker)).toBe(2);
    expect(value(families, "runbeat_workers", { ...worker, backend: "", device: "" })).toBe(1);
    expect(value(families, "runbeat_cameras", { state: "degraded", backend: "cpu" })).toBe(1);
    expect(value(families, "runbeat_runners_throttled", { kind: "camera" })).toBe(1);
    expect(value(families, "runbeat_runners_throttled", { kind: "worker" })).toBe(0);
    expect(families.get("runbeat_checks_failing")?.samples).toEqual([
      { name: "runbeat_checks_failing", labels: { check: "disk_space" }, value: 1 },
    ]);
    expect(value(families, "runbeat_runners_looked_at")).toBe(4);
  });

  it("put each heartbeat's latency into the histogram once, however often they are read", async () => {
    const { api, scrape } = await given();
    api.rows.beat({ runner: DAY, latency_ms: 18.2 });
    await scrape();
    const first = await scrape();
    const kind = "camera";
    const name = "runbeat_detection_latency_seconds";
    expect(value(first, `${name}_count`, { kind })).toBe(1);
    api.rows.beat({ runner: DAY, latency_ms: 700 });
    const second = await scrape();
    expect(value(second, `${name}_bucket`, { kind, le: "0.025" })).toBe(1);
    expect(value(second, `${name}_bucket`, { kind, le: "0.5" })).toBe(1);
    expect(value(second, `${name}_bucket`, { kind, le: "1" })).toBe(2);
    expect(value(second, `${name}_bucket`, { kind, le: "+Inf" })).toBe(2);
    expect(value(second, `${name}_sum`, { kind })).toBeCloseTo(0.7182);
  });

  it("count errors that are new, not those that stay", async () => {
    const { api, scrape } = await given();
    api.rows.beat({ runner: DAY, last_error: "old", last_error_at: T - 9 });
    await scrape();
    api.rows.beat({ runner: DAY, last_error: "old", last_error_at: T - 9 });
    await scrape();
    api.rows.beat({ runner: DAY, last_error: "new", last_error_at: T });
    const families = await scrape();
    expect(value(families, "runbeat_runner_errors_total", { kind: "camera" })).toBe(1);
  });

  it("count events and rejected messages since the first scrape, page by page", async () => {
    const { api, scrape } = await given();
    const event = (stream_seq: number, type: string) =>
      api.rows.event({ runner: DAY, stream_seq, type });
    event(1, "restart_scheduled");
    api.rows.rejected({ stream_seq: 1, reason: "bad_json" });
    const before = await scrape();
    expect(value(before, "runbeat_events_total", { type: "restart_scheduled" })).toBe(0);
    for (let seq = 2; seq <= 1_502; seq++) event(seq, "restart_scheduled");
    event(1_503, "of_a_newer_version");
    api.rows.rejected({ stream_seq: 2, reason: "bad_json" });
    await scrape();
    const after = await scrape();
    expect(value(after, "runbeat_events_total", { type: "restart_scheduled" })).toBe(1_501);
    expect(value(after, "runbeat_events_total", { type: "other" })).toBe(1);
    expect(value(after, "runbeat_restarts_total", { kind: "camera" })).toBe(1_501);
    expect(value(after, "runbeat_messages_rejected_total", { reason: "bad_json" })).toBe(1);
  });

  it("count changes of status by what they were from and to", async () => {
    const { api, scrape } = await given();
    await scrape();
    const change = (stream_seq: number, from: string, to: string) =>
      api.rows.event({
        runner: DAY,
        stream_seq,
        type: "status_changed",
        data: JSON.stringify({ from, to, cause: "silence" }),
      });
    change(1, "online", "stale");
    change(2, "online", "stale");
    change(3, "online", "of a newer version");
    const families = await scrape();
    const name = "runbeat_status_changes_total";
    expect(value(families, name, { from: "online", to: "stale" })).toBe(2);
    expect(value(families, name, { from: "online", to: "other" })).toBe(1);
    expect(value(families, "runbeat_alerts_open", { severity: "critical" })).toBe(0);
  });

  it("count limits that were exceeded, and new sessions of FFmpeg by what ended the one before", async () => {
    const { api, scrape } = await given();
    const session = (sessions: number, fault?: string, pid = 7) =>
      api.rows.beat({
        runner: DAY,
        pid,
        metrics: JSON.stringify({ sessions }),
        detail: JSON.stringify(fault === undefined ? {} : { fault }),
      });
    session(1);
    await scrape();
    session(3, "refused");
    await scrape();
    // Well again: only the heartbeat before says why there is another one.
    session(4);
    await scrape();
    session(5, "rtsp://ada:secret@10.0.0.7 is no name");
    await scrape();
    // Another process counts anew.
    session(9, "refused", 8);
    const exceeded = (stream_seq: number, limit: string) => {
      const data = JSON.stringify({ limit, value: 612, max: 512, for_sec: 30 });
      api.rows.event({ runner: DAY, stream_seq, type: "limit_exceeded", data });
    };
    exceeded(1, "memory_mb");
    exceeded(2, "of_a_newer_version");
    const families = await scrape();
    const restarts = "runbeat_ffmpeg_restarts_total";
    expect(value(families, restarts, { reason: "refused" })).toBe(3);
    expect(value(families, restarts, { reason: "unknown" })).toBe(1);
    const limits = "runbeat_limits_exceeded_total";
    expect(value(families, limits, { limit: "memory_mb" })).toBe(1);
    expect(value(families, limits, { limit: "other" })).toBe(1);
    expect(value(families, limits, { limit: "vram_mb" })).toBe(0);
  });

  it("say how the sentinel is, which is another process, and that none is there", async () => {
    let said: string | null = JSON.stringify({
      looks: 700,
      last_look_at: T,
      last_look_ms: 12,
      waiting: 0,
      sinks: [{ name: "pager", delivered: 3, failed: 2, pending: 1 }],
    });
    const streams = { ...noStreams(), sentinelReport: () => Promise.resolve(said) };
    const api = await apiFixture({ streams });
    opened.push(api);
    const scrape = async () => parseMetrics((await api.ask("/metrics")).body as string);
    const families = await scrape();
    expect(value(families, "runbeat_sentinel_up")).toBe(1);
    expect(value(families, "runbeat_sentinel_last_look_duration_seconds")).toBe(0.012);
    const sink = "pager";
    const deliveries = "runbeat_sink_deliveries_total";
    expect(value(families, deliveries, { sink, result: "taken" })).toBe(3);
    expect(value(families, deliveries, { sink, result: "failed" })).toBe(2);
    expect(value(families, "runbeat_sink_pending", { sink })).toBe(1);
    said = null;
    const without = await scrape();
    expect(value(without, "runbeat_sentinel_up")).toBe(0);
    expect(without.get(deliveries)?.samples).toEqual([]);
  });

  it("tell how long heartbeats are on their way, and the pictures of all", async () => {
    const { api, scrape } = await given();
    api.rows.beat({ runner: DAY, fps: 25, ts: T - 400, last_heartbeat_at: T });
    api.rows.beat({ runner: "camera/yard/hd", fps: 5, ts: T + 9_000, last_heartbeat_at: T });
    const families = await scrape();
    const name = "runbeat_heartbeat_delay_seconds";
    expect(value(families, "runbeat_frames_per_second", { kind: "camera" })).toBe(30);
    expect(value(families, `${name}_count`, { kind: "camera" })).toBe(2);
    expect(value(families, `${name}_sum`, { kind: "camera" })).toBeCloseTo(0.4);
  });

  it("say how far each projection is", async () => {
    const { api, scrape } = await given();
    api.rows.checkpoint({ projection: "latest_heartbeat", seq: 10 });
    const labels = { projection: "latest_heartbeat", partition: "0" };
    expect(value(await scrape(), "runbeat_projection_messages_total", labels)).toBe(10);
  });

  it("look at a whole fleet, and name none of it", async () => {
    const { api, scrape } = await given();
    for (let i = 0; i < 2_100; i++) api.rows.beat({ runner: `camera/c${i}/hd`, latency_ms: 1 });
    // The reader takes large changes in bit by bit.
    const families = await waitFor(async () => {
      const seen = await scrape();
      return value(seen, "runbeat_runners_looked_at") === 2_100 ? seen : undefined;
    });
    const name = "runbeat_detection_latency_seconds_count";
    expect(value(families, name, { kind: "camera" })).toBe(2_100);
    const samples = [...families.values()].flatMap((family) => family.samples);
    expect(samples.length).toBeLessThan(400);
    expect(JSON.stringify(samples)).not.toContain("c77");
  });
});

describe("the metrics of single runners", () => {
  it("are in base units, and of at most a thousand", async () => {
    const { api, scrape } = await given();
    const resources = { cpu_percent: 50, memory_mb: 2, vram_mb: 1, throttled: false };
    api.rows.beat({
      runner: "worker/w1/default",
      health: "unhealthy",
      latency_ms: 20,
      last_error: 'a "quoted"\\ error',
      labels: '{"backend":"cu\\"da\\n","device":"gpu\\\\0"}',
      resources: JSON.stringify(resources),
      checks: '{"a":false,"b":false,"c":true}',
    });
    const families = await scrape("/metrics/runners");
    const runner = { runner: "worker/w1/default" };
    const state = { status: "online", host: "edge-1", backend: 'cu"da\n', device: "gpu\\0" };
    expect(value(families, "runbeat_runner_state", { ...runner, ...state })).toBe(1);
    expect(value(families, "runbeat_runner_latency_seconds", runner)).toBe(0.02);
    expect(value(families, "runbeat_runner_cpu_cores", runner)).toBe(0.5);
    expect(value(families, "runbeat_runner_memory_bytes", runner)).toBe(2_097_152);
    expect(value(families, "runbeat_runner_vram_bytes", runner)).toBe(1_048_576);
    expect(value(families, "runbeat_runner_throttled", runner)).toBe(0);
    expect(value(families, "runbeat_runner_has_error", runner)).toBe(1);
    expect(value(families, "runbeat_runner_checks_failing", runner)).toBe(2);
    for (let i = 0; i < 1_200; i++) api.rows.beat({ runner: `process/p${i}/default` });
    await waitFor(async () => {
      const many = await scrape("/metrics/runners");
      return many.get("runbeat_runner_up")?.samples.length === 1_000;
    });
    await waitFor(async () => value(await scrape(), "runbeat_runners_looked_at") === 1_201);
    const capped = await scrape("/metrics/runners");
    expect(capped.get("runbeat_runner_up")?.samples).toHaveLength(1_000);
  });
});

describe("counts under labels from outside", () => {
  it("go under other once there are too many", () => {
    const counts = new LabelledCounts(["check"], 3);
    for (const check of ["a", "b", "c", "d", "a"]) counts.add({ check });
    expect(counts.samples()).toEqual([
      [{ check: "a" }, 2],
      [{ check: "b" }, 1],
      [{ check: "other" }, 2],
    ]);
  });
});

describe("the strict reader that these tests use", () => {
  const head = "# HELP a_total A.\n# TYPE a_total counter\n";
  it.each([
    ["no line feed", `${head}a_total 1`],
    ["no HELP", "# TYPE a_total counter\na_total 1\n"],
    ["a counter's name", "# HELP a A.\n# TYPE a counter\na 1\n"],
    ["a gauge's name", "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n"],
    ["a bad unit", "# HELP a_ms A.\n# TYPE a_ms gauge\na_ms 1\n"],
    ["a stray sample", `${head}b 1\n`],
    ["a series twice", `${head}a_total{x="1"} 1\na_total{x="1"} 2\n`],
    ["a family twice", `${head}${head}`],
    ["a bad label", `${head}a_total{x-y="1"} 1\n`],
    ["a bad escape", `${head}a_total{x="\\q"} 1\n`],
    ["no number", `${head}a_total null\n`],
    ["an empty line", `${head}\na_total 1\n`],
    ["less than nothing", `${head}a_total -1\n`],
    [
      "a histogram without +Inf",
      '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_sum 1\nh_count 1\n',
    ],
    [
      "a histogram that falls",
      '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    ],
  ])("refuses %s", (_what, text) => {
    expect(() => parseMetrics(text)).toThrow(Error);
  });
});
