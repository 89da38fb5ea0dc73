import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ProcessState } from "../../lib/core/current-process.ts";
import type { BucketView, Moment, ProcessQuery, ReadModels } from "../../lib/core/read-models.ts";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { readFixture, T } from "./read-fixture.ts";
import type { ReadFixture } from "./read-fixture.ts";

const NOW: Moment = { now: T, view: CLEAR_VIEW };
const CAM = "camera/a/hd";
let rows: ReadFixture;
let models: ReadModels;

beforeAll(async () => {
  rows = await readFixture();
  models = openReadModels({ file: rows.file, thresholds: DEFAULT_THRESHOLDS });
});

afterEach(() => {
  for (const table of ["process_heartbeat", "process_lifecycle", "timeline", "quarantine"]) {
    rows.db.exec(`delete from ${table}`);
  }
  rows.db.exec("delete from runner_heartbeat");
});

afterAll(() => {
  models.close();
  rows.close();
});

/** Follows the cursor to the end. */
async function everything<Item, Position>(
  page: (
    after: Position | undefined,
  ) => Promise<{ items: readonly Item[]; next: Position | undefined }>,
): Promise<Item[]> {
  const found: Item[] = [];
  let after: Position | undefined;
  do {
    const { items, next } = await page(after);
    found.push(...items);
    after = next;
  } while (after !== undefined);
  return found;
}

describe("processes", () => {
  const ANY: ProcessQuery = {
    runner: undefined,
    host: undefined,
    states: [],
    limit: 100,
    after: undefined,
  };
  const key = fc.record({
    runner: fc.constantFrom("camera/a/hd", "camera/b/hd", "worker/a/default"),
    host: fc.constantFrom("h1", "h2"),
    pid: fc.integer({ min: 1, max: 3 }),
    started_at: fc.constantFrom(0, T - 5_000),
  });
  const half = fc.uniqueArray(key, { selector: (row) => JSON.stringify(row), maxLength: 12 });
  const states = fc.subarray<ProcessState>(["starting", "running", "exited", "lost"]);

  it("are, page by page, the rows of the view that joins both halves", async () => {
    await fc.assert(
      fc.asyncProperty(
        half,
        half,
        states,
        fc.constantFrom(undefined, "h1"),
        fc.constantFrom(undefined, "camera/b/hd"),
        fc.integer({ min: 1, max: 4 }),
        async (heard, announced, wanted, host, runner, limit) => {
          rows.db.exec("delete from process_heartbeat; delete from process_lifecycle");
          for (const row of heard) rows.heard(row);
          announced.forEach((row, index) =>
            rows.announced({
              ...row,
              state: (["starting", "exited", "lost"] as const)[index % 3] ?? "starting",
              ended_at: index % 3 === 0 ? null : T - 4_000,
            }),
          );
          const found = await everything((after) =>
            models.processes({ states: wanted, host, runner, limit, after: after as never }, NOW),
          );
          const view = rows.db
            .prepare(
              `select runner, host, pid, started_at, state, managed from running_process
                where (@host is null or host = @host) and (@runner is null or runner = @runner)
                and (@states = '[]' or state in (select value from json_each(@states)))
                order by runner, host, pid, started_at`,
            )
            .all({ host: host ?? null, runner: runner ?? null, states: JSON.stringify(wanted) });
          expect(
            found.map(({ startedAt, managed, ...row }) => ({
              runner: row.runner,
              host: row.host,
              pid: row.pid,
              started_at: startedAt,
              state: row.state,
              managed: managed ? 1 : 0,
            })),
          ).toEqual(view);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("show how each of them is and how it ended", async () => {
    rows.heard({ runner: CAM, last_error: "boom", last_error_at: T - 2_000, heartbeat_count: 9 });
    rows.announced({ runner: CAM, pid: 99, state: "killed", signal: "SIGKILL", ended_at: T - 100 });
    rows.announced({ runner: CAM, pid: 98, effective_args: { 0: "x" } });
    const { items } = await models.processes(ANY, NOW);
    expect(items).toHaveLength(3);
    expect(items[0]).toMatchObject({ pid: 98, state: "starting", effectiveArgs: '{"0":"x"}' });
    expect(items[1]).toMatchObject({
      pid: 99,
      state: "killed",
      signal: "SIGKILL",
      endedAt: T - 100,
      status: { status: "offline", cause: "ended" },
    });
    expect(items[2]).toMatchObject({
      pid: 100,
      managed: false,
      lastError: "boom",
      lastErrorAt: T - 2_000,
      heartbeatCount: 9,
      status: { status: "online" },
    });
  });
});

describe("snapshots", () => {
  const snapshot = fc.record({
    ts: fc.integer({ min: T, max: T + 600_000 }),
    fps: fc.option(fc.nat(30)),
    last_error: fc.constantFrom("", "boom"),
  });
  const some = fc.array(snapshot, { maxLength: 40 });
  const span = fc.record({
    from: fc.option(fc.integer({ min: T, max: T + 600_000 }), { nil: undefined }),
    to: fc.option(fc.integer({ min: T, max: T + 600_000 }), { nil: undefined }),
  });
  type Snapshot = typeof snapshot extends fc.Arbitrary<infer S> ? S : never;

  function store(snapshots: readonly Snapshot[]): void {
    rows.db.exec("delete from runner_heartbeat");
    snapshots.forEach((row, index) =>
      rows.snapshot({ runner: CAM, heartbeat_seq: index + 1, stream_seq: index + 1, ...row }),
    );
    rows.snapshot({ runner: "camera/a/sd", heartbeat_seq: 999, ts: T + 5 });
  }

  function within(row: Snapshot, from: number | undefined, to: number | undefined): boolean {
    return row.ts >= (from ?? 0) && row.ts <= (to ?? Infinity);
  }

  it("come newest first, page by page, each once", async () => {
    await fc.assert(
      fc.asyncProperty(
        some,
        span,
        fc.integer({ min: 1, max: 7 }),
        async (given, { from, to }, limit) => {
          store(given);
          const found = await everything((after) =>
            Promise.resolve(
              models.snapshots({ runner: CAM, from, to, limit, after: after as never }),
            ),
          );
          const expected = given
            .map((row, index) => ({ ...row, heartbeat_seq: index + 1 }))
            .filter((row) => within(row, from, to))
            .toSorted((one, other) => other.ts - one.ts || other.heartbeat_seq - one.heartbeat_seq);
          expect(found.map((row) => row.heartbeat_seq)).toEqual(
            expected.map((row) => row.heartbeat_seq),
          );
        },
      ),
      { numRuns: 150 },
    );
  });

  it("are put together in buckets as by hand, gaps jumped over", async () => {
    await fc.assert(
      fc.asyncProperty(
        some,
        span,
        fc.constantFrom(1_000, 7_000, 60_000),
        fc.integer({ min: 1, max: 7 }),
        async (given, { from, to }, everyMs, limit) => {
          store(given);
          const found = await everything((after) =>
            Promise.resolve(
              models.buckets({ runner: CAM, from, to, everyMs, limit, after: after as never }),
            ),
          );
          const kept = given.filter((row) => within(row, from, to));
          expect(found.map(rounded)).toEqual(byHand(kept, everyMs).map(rounded));
        },
      ),
      { numRuns: 150 },
    );
  });

  function byHand(kept: readonly Snapshot[], everyMs: number): BucketView[] {
    const groups = new Map<number, Snapshot[]>();
    for (const row of kept) {
      const start = Math.floor(row.ts / everyMs) * everyMs;
      groups.set(start, [...(groups.get(start) ?? []), row]);
    }
    const all = [...groups].toSorted(([one], [other]) => other - one);
    return all.map(([ts, group]) => {
      const fps = group.map((row) => row.fps).filter((value) => value !== null);
      const sum = fps.reduce((total, value) => total + value, 0);
      const spread = { mean: sum / fps.length, min: Math.min(...fps), max: Math.max(...fps) };
      return {
        ts,
        count: group.length,
        errors: group.filter((row) => row.last_error !== "").length,
        figures: {
          fps: fps.length === 0 ? null : spread,
          detected: { mean: 2, min: 2, max: 2 },
          matched: { mean: 1, min: 1, max: 1 },
          latency_ms: { mean: 18, min: 18, max: 18 },
        },
      };
    });
  }

  function rounded(bucket: BucketView): unknown {
    const { fps } = bucket.figures;
    const mean = fps === null ? null : Math.round(fps.mean * 1e6);
    return { ...bucket, figures: { ...bucket.figures, fps: fps && { ...fps, mean } } };
  }
});

describe("the timeline", () => {
  it("comes newest first, filtered by runner, type and time, page by page", async () => {
    const types = ["camera_online", "camera_offline", "process_spawned"];
    const runners = [CAM, "camera/b/hd"];
    for (let seq = 1; seq <= 60; seq++) {
      rows.event({
        runner: runners[seq % 2] ?? CAM,
        stream_seq: seq,
        time: T + seq * 10,
        type: types[seq % 3] ?? "",
        data: { seq },
      });
    }
    const seqs = async (query: object): Promise<number[]> => {
      const found = await everything((after) =>
        Promise.resolve(
          models.timeline({
            runner: undefined,
            types: [],
            from: undefined,
            to: undefined,
            limit: 7,
            ...query,
            after: after as never,
          }),
        ),
      );
      return found.map((item) => item.stream_seq);
    };
    const all = Array.from({ length: 60 }, (_, index) => 60 - index);
    expect(await seqs({})).toEqual(all);
    expect(await seqs({ runner: CAM })).toEqual(all.filter((seq) => seq % 2 === 0));
    expect(await seqs({ types: types.slice(0, 2) })).toEqual(all.filter((seq) => seq % 3 !== 2));
    expect(await seqs({ runner: CAM, types: ["camera_online"] })).toEqual(
      all.filter((seq) => seq % 6 === 0),
    );
    expect(await seqs({ from: T + 105, to: T + 150 })).toEqual([15, 14, 13, 12, 11]);
    expect(await seqs({ from: T + 605 })).toEqual([]);
    expect(await seqs({ to: T + 5 })).toEqual([]);
    expect(await seqs({ types: ["unheard_of"] })).toEqual([]);
  });
});

describe("the quarantine", () => {
  it("is filtered by reason and state", () => {
    rows.rejected({ stream_seq: 1 });
    rows.rejected({ stream_seq: 2, reason: "too_large" });
    rows.rejected({ stream_seq: 3, state: "retried" });
    const list = (query: object) =>
      models
        .quarantine({
          reasons: [],
          states: [],
          from: undefined,
          to: undefined,
          limit: 10,
          after: undefined,
          ...query,
        })
        .items.map((item) => item.stream_seq);
    expect(list({})).toEqual([3, 2, 1]);
    expect(list({ reasons: ["too_large", "bad_utf8"] })).toEqual([2]);
    expect(list({ states: ["open"] })).toEqual([2, 1]);
    expect(list({ after: 3, limit: 1 })).toEqual([2]);
  });

  it("holds fewer on a page where the messages are large", async () => {
    const bytes = 3 * 1024 * 1024;
    for (let seq = 1; seq <= 5; seq++) rows.rejected({ stream_seq: seq, bytes });
    const query = { reasons: [], states: [], from: undefined, to: undefined, limit: 100 };
    const first = models.quarantine({ ...query, after: undefined });
    expect(first.items.map((item) => item.stream_seq)).toEqual([5, 4]);
    const all = await everything((after) =>
      Promise.resolve(models.quarantine({ ...query, after: after as never })),
    );
    expect(all.map((item) => item.stream_seq)).toEqual([5, 4, 3, 2, 1]);
  });
});
