import { describe, expect, it } from "vitest";
import { formatTime } from "../../lib/core/time.ts";
import { statusScreen } from "../../lib/terminal/status-screen.ts";
import textWidth from "fast-string-width";
import type { StatusScreen } from "../../lib/terminal/status-screen.ts";
import type { ShownRunner } from "../../lib/terminal/status-row.ts";

const nowMs = new Date(2026, 0, 23, 15, 30, 45).getTime();

const running = { state: "running", restarts: 0, exit_code: null, signal: null };

function runner(over: Partial<ShownRunner> = {}): ShownRunner {
  return {
    runner: "camera/front-door/hd",
    status: "online",
    cause: "heartbeat",
    health: "healthy",
    paused: false,
    retired: false,
    managed: true,
    duplicate: false,
    last_heartbeat_at: formatTime(nowMs - 3_200),
    age_ms: 3_200,
    last_error: "",
    process: {
      host: "edge-1",
      pid: 4711,
      started_at: formatTime(nowMs - 252_000),
      ...running,
    },
    heartbeat: { fps: 24.94, camera_state: "healthy" },
    restart: { attempt_count: 0, last_failure_reason: null, cooldown_until: null },
    desired: null,
    ...over,
  };
}

function screen(items: readonly ShownRunner[], over: Partial<StatusScreen> = {}): StatusScreen {
  const status = { starting: 0, online: 0, stale: 0, missing: 0, offline: 0, unknown: 0 };
  const health = { healthy: 0, degraded: 0, unhealthy: 0 };
  for (const item of items) {
    status[item.status] += 1;
    health[item.health ?? "healthy"] += 1;
  }
  return {
    items,
    summary: { total: items.length, status, health },
    nowMs,
    lagMs: 4,
    components: [{ name: "NATS", state: "pass", text: "connected" }],
    host: {
      name: "box",
      cpuPercent: 15.2,
      memoryPercent: 65.1,
      memoryFreeBytes: 8.4 * 2 ** 30,
      disk: { percent: 45.2, freeBytes: 125.3 * 2 ** 30 },
    },
    filter: "",
    ...over,
  };
}

const plain = { colour: false, unicode: true, width: 100 };

function show(
  items: readonly ShownRunner[],
  looks = plain,
  over: Partial<StatusScreen> = {},
): string {
  return statusScreen(screen(items, over), looks);
}

describe("the status screen", () => {
  it("looks like this", () => {
    const text = show([
      runner({
        runner: "camera/yard/hd",
        status: "offline",
        age_ms: 400_000,
        last_heartbeat_at: formatTime(nowMs - 400_000),
        last_error: "Camera rejected the username or password",
        process: {
          host: "edge-1",
          pid: 12,
          started_at: null,
          ...running,
          state: "exited",
          restarts: 3,
          exit_code: 1,
        },
      }),
      runner(),
      runner({
        runner: "worker/gpu-0/default",
        managed: false,
        health: "degraded",
        heartbeat: { fps: null, camera_state: null },
      }),
    ]);
    expect(text).toBe(
      [
        "System box: CPU 15.2% | RAM 65.1% (8.4 GiB free) | Disk 45.2% (125.3 GiB free)",
        "Pipeline: NATS connected | lag 4 ms",
        "3 runners:  2 ● online  0 ◌ starting  0 ◐ stale  0 ○ missing  1 ✖ offline  0 ? unknown",
        "Health:  2 healthy  1 degraded  0 unhealthy",
        "",
        "PROCESS               STATUS      PID  RUNTIME  LAST SEEN  HEARTBEAT         RESTARTS",
        "─────────────────────────────────────────────────────────────────────────────────────",
        "camera/yard/hd        ✖ offline    12        -  15:24:05   6m ago, 24.9 fps         3",
        "  └ exit code 1; Camera rejected the username or password",
        "camera/front-door/hd  ● online   4711  0:04:12  15:30:41   3s ago, 24.9 fps         0",
        "",
        "ADDITIONAL PROCESSES (they beat; Runbeat did not start them)",
        "─────────────────────────────────────────────────────────────────────────────────────",
        "worker/gpu-0/default  ● online   4711  0:04:12  15:30:41   3s ago, degraded         0",
        "",
      ].join("\n"),
    );
  });

  it.each([80, 60, 40])("stays within %d columns", (width) => {
    const items = [
      runner({ runner: `camera/${"n".repeat(64)}/${"p".repeat(64)}`, last_error: "e".repeat(500) }),
      runner({ status: "missing", health: "unhealthy" }),
    ];
    const lines = show(items, { ...plain, width }).split("\n");
    const needed = Math.max(width, 77);
    for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(needed);
  });

  it("puts notes and hosts in columns of their own where there is room", () => {
    const items = [
      runner({ last_error: "no key frame" }),
      runner({
        process: { host: "edge-2", pid: 1, started_at: null, ...running },
      }),
    ];
    const text = show(items, { ...plain, width: Infinity });
    expect(text).toMatch(/PROCESS +HOST +STATUS.*RESTARTS +NOTE/);
    expect(text).toMatch(/edge-1 .*no key frame$/m);
    expect(text).not.toContain("└");
  });

  it.each<[string, Partial<ShownRunner>, string]>([
    ["no heartbeat", { age_ms: null, last_heartbeat_at: null, heartbeat: null }, "no heartbeat"],
    [
      "a runner never seen",
      { status: "offline", cause: "never_seen", process: null },
      "never seen",
    ],
    ["a pause", { paused: true }, "paused"],
    ["a duplicate", { duplicate: true }, "two live processes"],
    [
      "a reconnecting camera",
      { heartbeat: { fps: 0, camera_state: "reconnecting" } },
      "3s ago, reconnecting, 0.0 fps",
    ],
    [
      "a signal",
      {
        status: "offline",
        process: {
          host: "h",
          pid: 1,
          started_at: null,
          ...running,
          state: "killed",
          restarts: 0,
          signal: "SIGKILL",
        },
      },
      "killed by SIGKILL",
    ],
    [
      "a restart under way",
      { restart: { attempt_count: 2, last_failure_reason: "exit", cooldown_until: null } },
      "restart attempt 2",
    ],
    [
      "a cooldown",
      {
        restart: {
          attempt_count: 3,
          last_failure_reason: "exit",
          cooldown_until: formatTime(nowMs + 60_000),
        },
      },
      "no restart before 15:31:45",
    ],
  ])("tells of %s", (_, over, text) => {
    expect(show([runner(over)])).toContain(text);
  });

  it("has one table where all processes are additional", () => {
    const lines = show([runner({ managed: false })]).split("\n");
    expect(lines.filter((line) => line.startsWith("──"))).toHaveLength(1);
    expect(lines[5]).toContain("ADDITIONAL PROCESSES");
    expect(lines[6]).toMatch(/^PROCESS +STATUS/);
  });

  it("can't be drawn upon by a runner's error", () => {
    const text = show([runner({ last_error: "bad\u001B[2J\nroot# " })]);
    expect(text).not.toContain("\u001B");
    expect(text).toContain("└ bad [2J root#");
  });

  it("says what to do when there is no runner, and which filter found none", () => {
    expect(show([])).toContain("No runner yet: start one with runbeat run");
    expect(show([], plain, { filter: "status=stale" })).toContain(
      "No runner matches status=stale.",
    );
  });

  it("uses ASCII only where the terminal knows no more", () => {
    const text = show([runner({ last_error: "x" }), runner({ status: "offline" })], {
      ...plain,
      unicode: false,
    });
    expect(text).toMatch(/^[\u0000-\u007F]*$/);
  });
});
