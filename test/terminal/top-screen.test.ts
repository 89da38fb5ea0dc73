import { describe, expect, it } from "vitest";
import { formatTime } from "../../lib/core/time.ts";
import { TopFleet } from "../../lib/terminal/top-fleet.ts";
import type { TopRunner } from "../../lib/terminal/top-fleet.ts";
import { topScreen } from "../../lib/terminal/top-screen.ts";
import type { TopModel } from "../../lib/terminal/top-screen.ts";
import { FIRST_VIEW, rowsOf } from "../../lib/terminal/top-view.ts";
import { widthOf } from "./fake-screen.ts";
import { NOW, topRunner, topSummary } from "./top-fixture.ts";

const LINK = {
  place: "http://127.0.0.1:8080",
  way: "live",
  trouble: "",
  silentMs: 0,
  isOld: false,
} as const;
const PLAIN = { colour: false, unicode: true, width: 80 };

const RUNNERS: readonly TopRunner[] = [
  topRunner("camera/front-door/hd", { fps: 24.94 }),
  topRunner("worker/gpu-0/default", { health: "degraded" }),
  topRunner("process/bidder/default", {
    status: "offline",
    cause: "ended",
    status_since: formatTime(NOW - 1_200_000),
    ageMs: 1_205_000,
    process: {
      host: "edge-2",
      pid: 12,
      started_at: null,
      state: "exited",
      restarts: 3,
      exit_code: 3,
      signal: null,
    },
  }),
  topRunner("service/vpn/main", { status: "stale", cause: "silence", ageMs: 31_000, fps: null }),
];

function model(over: Partial<TopModel> = {}, runners = RUNNERS): TopModel {
  const fleet = new TopFleet();
  const as_of = { time: formatTime(NOW), lag_ms: 3 };
  fleet.take("snapshot", { items: runners, more: false, as_of }, NOW);
  fleet.take("summary", topSummary(runners, { beats: 100, timeMs: NOW - 10_000 }), NOW);
  fleet.take("summary", topSummary(runners, { beats: 225 }), NOW);
  const change = { from: "online", to: "offline", cause: "ended" };
  fleet.take(
    "event",
    {
      seq: 9,
      time: formatTime(NOW - 1_200_000),
      runner: "process/bidder/default",
      type: "status_changed",
      by: "sentinel@edge-1",
      data: change,
    },
    NOW,
  );
  const view = over.view ?? FIRST_VIEW;
  return {
    view,
    fleet,
    rows: rowsOf(view, fleet.runners.values()),
    nowMs: NOW,
    presentMs: NOW,
    link: LINK,
    alerts: { open: 2, critical: 1 },
    details: undefined,
    ...over,
  };
}

function shown(given: TopModel, looks = PLAIN, size = { columns: 80, rows: 24 }): string {
  return topScreen(given, size, looks)
    .map((line) => line.trimEnd())
    .join("\n");
}

describe("the screen of runbeat top", () => {
  it("shows the fleet worst first, in 80 columns and 24 rows", () => {
    expect(`\n${shown(model())}`).toBe(`
runbeat top  ● live  03:12:00 UTC  http://127.0.0.1:8080
4 runners: 2 ● online 0 ◌ starting 1 ◐ stale 0 ○ missing 1 ✖ offline 0 ? unknown
3 healthy  1 degraded  0 unhealthy  13 beats/s  lag 3 ms  2 alerts, 1 critical
  RUNNER                  STATUS▼         SEEN  HEALTH       RST  LAST HOUR
› process/bidder/default  ✖ offline        20m  exit 3         3  ▁▁▁▁▁▁▁▁▁█████
  service/vpn/main        ◐ stale          31s  healthy        0             ▃▃▃
  worker/gpu-0/default    ● online          2s  degraded       0             ▁▁▁
  camera/front-door/hd    ● online          2s  24.9 fps       0             ▁▁▁
${"\n".repeat(14)}
q quit  / filter  s sort by runner  enter details  e events  t time  p pause`);
  });

  it("speaks ASCII where the terminal does", () => {
    const looks = { ...PLAIN, unicode: false };
    const events = { ...FIRST_VIEW, page: "events" } as const;
    const pages = [FIRST_VIEW, events, { ...FIRST_VIEW, page: "help" } as const];
    const text = pages.map((view) => shown(model({ view }), looks)).join("\n");
    expect(text).toMatch(/^[\u0020-\u007E\n]*$/);
    expect(text).toContain(
      "> process/bidder/default  X offline        20m  exit 3         3  _________XXXXX",
    );
  });

  it.each([40, 60, 80, 100, 120, 200])("is never wider than %d columns", (columns) => {
    const long = topRunner(`camera/${"n".repeat(64)}/${"p".repeat(64)}`, {
      last_error: "\u001B[2Jgone 错误 ".repeat(20),
      health: "degraded",
    });
    const given = model({}, [...RUNNERS, long]);
    const details = {
      runner: long.runner,
      headline: "Why. ".repeat(50),
      events: [],
      fps: [1, null, 3],
    };
    const reading = { ...FIRST_VIEW, page: "runner", selected: long.runner } as const;
    for (const one of [given, { ...given, view: reading, details }]) {
      const lines = topScreen(one, { columns, rows: 24 }, { ...PLAIN, colour: true });
      expect(lines).toHaveLength(24);
      expect(lines.filter((line) => widthOf(line) > columns)).toEqual([]);
      expect(lines.join("")).not.toContain("\u001B[2J");
    }
  });

  it("says so on a screen that is too small", () => {
    expect(shown(model(), PLAIN, { columns: 30, rows: 5 })).toMatch(/^runbeat top needs 40x10, h/);
  });

  it("says how old its data is, and colours no status of which nobody knows", () => {
    const link = { ...LINK, trouble: "no answer (ECONNREFUSED)", silentMs: 12_000, isOld: true };
    const lines = topScreen(model({ link }), { columns: 80, rows: 24 }, { ...PLAIN, colour: true });
    expect(lines[0]).toContain("OLD: no answer (ECONNREFUSED), from 12s ago");
    const row = lines.find((line) => line.includes("camera/front-door/hd"));
    expect(row).toContain("\u001B[2m● online");
  });

  it("never shows a past moment as the present", () => {
    const view = { ...FIRST_VIEW, at: NOW - 3_600_000 * 3 };
    const text = shown(model({ view, nowMs: view.at, alerts: undefined }));
    expect(text.split("\n")[0]).toBe(
      "runbeat top  PAST 2026-01-31, 3h ago  00:12:00 UTC  http://127.0.0.1:8080",
    );
    expect(text).not.toContain("beats/s");
  });

  it("never shows an export as the present, and its ages do not grow", () => {
    const { fleet } = model();
    const as_of = { time: formatTime(NOW), lag_ms: 0, is_past: true };
    fleet.take("summary", { ...fleet.summary, as_of }, NOW);
    const presentMs = NOW + 60_000;
    const text = shown(model({ fleet, nowMs: fleet.serverMs(presentMs), presentMs }));
    expect(text.split("\n")[0]).toContain("PAST 2026-01-31, 60s ago, export's end  03:12:00 UTC");
    expect(text).not.toContain("beats/s");
  });

  it("shows why a runner is so, its figures and what happened to it", () => {
    const view = { ...FIRST_VIEW, page: "runner", selected: "process/bidder/default" } as const;
    const event = {
      seq: 9,
      time: formatTime(NOW - 1_200_000),
      runner: "process/bidder/default",
      type: "process_exited",
      by: "enforcer@edge-2",
      data: { host: "edge-2", pid: 12, exit_code: 3, ran_sec: 7 },
    };
    const headline = "process/bidder/default is offline: it exited with code 3.";
    const details = { runner: view.selected, headline, events: [event], fps: [] };
    const text = shown(model({ view, details }));
    expect(text).toContain(
      "process/bidder/default  ✖ offline\nprocess/bidder/default is offline: it",
    );
    expect(text).toContain("process    pid 12 on edge-2, exited\n");
    expect(text).toContain("restarts   3 so far\n");
    expect(text).toContain("01-31 02:52:00  process_exited edge-2:12 exit code 3 after 7 s\n");
  });
});
