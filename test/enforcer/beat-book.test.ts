import { describe, expect, it } from "vitest";
import { parseFleet } from "../../config/fleet.ts";
import { decodeHeartbeatBody } from "../../lib/core/decode-heartbeat.ts";
import type { FleetEntry } from "../../lib/core/fleet.ts";
import type { BeatsSeen, RunSeen } from "../../lib/core/observed.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { createBeatBook } from "../../lib/enforcer/beat-book.ts";
import type { BeatBook } from "../../lib/enforcer/beat-book.ts";

const SELF = parseRunnerId("service/enforcer/edge-1");
const A = parseRunnerId("process/a/default");
/** The NATS server's clock is an hour ahead of this host's. */
const SERVER_AHEAD_MS = 3_600_000;

class Desk {
  steadyMs = 1_000;
  readonly book: BeatBook;
  readonly startedAt = Date.now();

  constructor() {
    this.book = createBeatBook({
      self: SELF,
      selfIntervalSec: 10,
      thresholds: DEFAULT_THRESHOLDS,
      maxLagSec: 10,
      figuresMaxAgeSec: 60,
      steadyNow: () => this.steadyMs,
    });
  }

  get serverNow(): number {
    return this.startedAt + SERVER_AHEAD_MS + this.steadyMs;
  }

  beat(runner: typeof A, pid: number, body: object = {}): void {
    const decoded = decodeHeartbeatBody(runner, { pid, ...body });
    if (!decoded.ok) throw new Error(decoded.rejection.message);
    this.book.take(runner, this.serverNow, decoded.heartbeat);
  }

  /** The pipeline works for so many seconds: our own heartbeat comes back, a second at a time. */
  pass(seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      this.steadyMs += 1_000;
      this.book.atEnd();
      this.beat(SELF, 1);
      this.book.moment();
    }
  }

  sight(): this {
    this.book.opened();
    this.pass(1);
    return this;
  }

  seen(fleet = "{ command: [a] }", run: RunSeen = running(7)): BeatsSeen {
    return this.book.beatsOf(entryOf(fleet), run, this.book.moment());
  }
}

function running(pid: number | null, sinceMs = 3_600_000): RunSeen {
  return { kind: "running", since: Date.now() - sinceMs, pid };
}

function entryOf(text: string): FleetEntry {
  const [entry] = parseFleet(`runners: { ${A}: ${text} }`, {}, "fleet.yaml").runners.values();
  if (entry === undefined) throw new Error("no entry");
  return entry;
}

describe("what heartbeats say", () => {
  it("is unknown until the enforcer's own heartbeat has come back", () => {
    const desk = new Desk();
    desk.beat(A, 7);
    expect(desk.seen().status).toBe("unknown");
    desk.book.opened();
    desk.book.atEnd();
    expect(desk.seen().status).toBe("unknown");
    expect(desk.book.moment().blindSince).not.toBeNull();
    desk.pass(1);
    expect(desk.book.moment().blindSince).toBeNull();
    desk.beat(A, 7);
    expect(desk.seen().status).toBe("online");
  });

  it("judges by the server's clock, whatever this host's says", () => {
    const desk = new Desk().sight();
    desk.beat(A, 7);
    desk.pass(14);
    expect(desk.seen().status).toBe("online");
    desk.pass(20);
    expect(desk.seen().status).toBe("stale");
    desk.pass(20);
    expect(desk.seen().status).toBe("missing");
    desk.pass(80);
    expect(desk.seen().status).toBe("offline");
  });

  it.each([
    ["its own heartbeat no longer comes back", (desk: Desk) => desk.book.atEnd()],
    ["the reader falls behind", (desk: Desk) => desk.beat(SELF, 1)],
  ])("is unknown once %s", (_what, still) => {
    const desk = new Desk().sight();
    desk.beat(A, 7);
    for (let second = 0; second < 60; second++) {
      desk.steadyMs += 1_000;
      still(desk);
      desk.book.moment();
    }
    expect(desk.seen().status).toBe("unknown");
    desk.pass(1);
    const { blindSince, sightedAt } = desk.book.moment();
    expect(blindSince).toBeNull();
    expect(Math.abs((sightedAt ?? 0) - Date.now())).toBeLessThan(5_000);
    // What was not heard meanwhile is not held against it.
    expect(["unknown", "online"]).toContain(desk.seen().status);
  });

  it("is unknown as soon as nothing is read any more", () => {
    const desk = new Desk().sight();
    desk.beat(A, 7);
    desk.book.ended();
    expect(desk.seen().status).toBe("unknown");
  });

  it("counts the heartbeats of the process that was started, not those of another one", () => {
    const desk = new Desk().sight();
    desk.pass(40);
    desk.beat(A, 99);
    expect(desk.seen()).toMatchObject({ status: "offline", lastAt: null });
    expect(desk.seen("{ command: [a] }", running(7, 1_000)).status).toBe("starting");
    expect(desk.seen("{ command: [a], beats: self }")).toMatchObject({ status: "online" });
    expect(desk.seen("{ docker: { container: a } }")).toMatchObject({ status: "online" });
  });

  it("has the figures that were said last, until they are old", () => {
    const desk = new Desk().sight();
    desk.beat(A, 7, { resources: { memory_mb: 120, cpu_percent: 30 } });
    desk.pass(10);
    desk.beat(A, 7);
    expect(desk.seen()).toMatchObject({ memoryMb: 120, cpuPercent: 30, vramMb: null });
    desk.pass(60);
    expect(desk.seen()).toMatchObject({ memoryMb: null, cpuPercent: null });
  });

  it("takes a runner's own interval and thresholds", () => {
    const desk = new Desk().sight();
    desk.beat(A, 7);
    desk.pass(30);
    expect(desk.seen("{ command: [a], interval_sec: 30 }").status).toBe("online");
    expect(desk.seen("{ command: [a], thresholds: { stale_sec: 20 } }").status).toBe("missing");
  });
});
