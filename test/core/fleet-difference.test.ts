import { describe, expect, test } from "vitest";
import { compareFleets } from "../../lib/core/fleet-difference.ts";
import type { ComparedProcess, ComparedRunner } from "../../lib/core/fleet-difference.ts";

function runner(name: string, over: Partial<ComparedRunner> = {}): ComparedRunner {
  return {
    runner: `camera/${name}/hd`,
    status: "online",
    health: "healthy",
    paused: false,
    retired: false,
    last_error: "",
    interval_sec: 10,
    process: { host: "a", pid: 1, started_at: "2026-01-31T03:12:00.000Z", restarts: 0 },
    heartbeat: { labels: { b: "1", a: "2" } },
    ...over,
  };
}

function started(name: string, args: readonly string[]): ComparedProcess {
  return {
    runner: `camera/${name}/hd`,
    host: "a",
    pid: 1,
    started_at: "2026-01-31T03:12:00.000Z",
    effective_args: args,
    effective_env: null,
  };
}

function compare(before: readonly ComparedRunner[], after: readonly ComparedRunner[]) {
  return compareFleets({ runners: before, processes: [] }, { runners: after, processes: [] });
}

describe("the difference of two fleets", () => {
  test("is none between a fleet and itself, whatever the order of its labels", () => {
    const other = runner("a", { heartbeat: { labels: { a: "2", b: "1" } } });
    expect(compare([runner("a")], [other]).runners).toEqual([]);
  });

  test("names what is new and what is gone, the gone first", () => {
    const { runners, counts } = compare([runner("a")], [runner("b", { status: "starting" })]);
    expect(runners).toEqual([
      {
        runner: "camera/a/hd",
        status: "online",
        changes: [{ what: "gone", from: "online", to: null }],
      },
      {
        runner: "camera/b/hd",
        status: "starting",
        changes: [{ what: "appeared", from: null, to: "starting" }],
      },
    ]);
    expect(counts).toMatchObject({ appeared: 1, gone: 1, status: 0 });
  });

  test("has the worst first, with everything that changed of each", () => {
    const after = [
      runner("a", { health: "degraded" }),
      runner("b", {
        status: "offline",
        last_error: "refused",
        process: { host: "a", pid: 2, started_at: null, restarts: 3 },
      }),
    ];
    const { runners, counts } = compare([runner("a"), runner("b")], after);
    expect(runners.map(({ runner: name }) => name)).toEqual(["camera/b/hd", "camera/a/hd"]);
    expect(runners[0]?.changes).toEqual([
      { what: "status", from: "online", to: "offline" },
      { what: "error", from: null, to: "refused" },
      { what: "restarts", from: "0", to: "3" },
      { what: "process", from: "1 on a", to: "2 on a" },
    ]);
    expect(counts).toMatchObject({ status: 1, health: 1, restarts: 1, process: 1 });
  });

  test("tells arguments that are others", () => {
    const { runners } = compareFleets(
      { runners: [runner("a")], processes: [started("a", ["x"])] },
      { runners: [runner("a")], processes: [started("a", ["x", "-v"])] },
    );
    expect(runners[0]?.changes).toEqual([{ what: "args", from: '["x"]', to: '["x","-v"]' }]);
  });
});
