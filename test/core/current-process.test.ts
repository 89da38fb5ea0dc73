import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  currentProcess,
  hasDuplicate,
  isSameProcess,
  livenessOf,
  newestAnnounced,
  NO_EXPECTATION,
  processState,
} from "../../lib/core/current-process.ts";
import type { AnnouncedProcess, BeatingProcess } from "../../lib/core/current-process.ts";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";

const T = 1_700_000_000_000;

function beat(overrides: Partial<BeatingProcess> = {}): BeatingProcess {
  return {
    host: "edge-1",
    pid: 100,
    started_at: T,
    clock_offset_ms: 0,
    process_first_at: T + 500,
    beating_since: T + 500,
    last_heartbeat_at: T + 60_000,
    interval_sec: 10,
    rival_at: null,
    ...overrides,
  };
}

function announced(overrides: Partial<AnnouncedProcess> = {}): AnnouncedProcess {
  return {
    host: "edge-1",
    pid: 100,
    started_at: T,
    state: "starting",
    announced_at: T + 20,
    ended_at: null,
    first_seq: 1,
    ...overrides,
  };
}

describe("one process or two", () => {
  const base = { host: "a", pid: 1, started_at: 5 };
  it.each([
    ["the same in everything", base, true],
    ["another pid", { ...base, pid: 2 }, false],
    ["another host", { ...base, host: "b" }, false],
    ["an unknown host", { ...base, host: "unknown" }, true],
    ["another start", { ...base, started_at: 6 }, false],
    ["an unknown start", { ...base, started_at: 0 }, true],
  ])("%s", (_name, other, same) => {
    expect(isSameProcess(base, other)).toBe(same);
    expect(isSameProcess(other, base)).toBe(same);
  });
});

describe("the current process", () => {
  it("is none while nothing was heard or announced", () => {
    expect(currentProcess(undefined, [])).toBeUndefined();
  });

  it("is the one that beats, unannounced", () => {
    const current = currentProcess(beat(), []);
    expect(current).toMatchObject({ pid: 100, isBeating: true, state: "running" });
    expect(current?.announced).toBeUndefined();
  });

  it("is the announced one before its first heartbeat", () => {
    const current = currentProcess(undefined, [announced()]);
    expect(current).toMatchObject({ pid: 100, isBeating: false, state: "starting" });
  });

  it("joins both halves of one process", () => {
    const row = announced();
    const current = currentProcess(beat(), [row]);
    expect(current).toMatchObject({ isBeating: true, state: "running", announced: row });
  });

  it("takes from the announcement what the heartbeat leaves open", () => {
    const current = currentProcess(beat({ host: "unknown", started_at: 0 }), [announced()]);
    expect(current).toMatchObject({ host: "edge-1", startedAt: T, isBeating: true });
  });

  it("is a process that was spawned after the one that beats", () => {
    const next = announced({ pid: 101, started_at: T + 90_000, announced_at: T + 90_010 });
    const current = currentProcess(beat(), [announced(), next]);
    expect(current).toMatchObject({ pid: 101, isBeating: false, state: "starting" });
  });

  it("stays the one that beats when the end of an older one is announced late", () => {
    const older = announced({
      pid: 99,
      started_at: T - 5_000,
      announced_at: T + 30_000,
      state: "exited",
      ended_at: T + 30_000,
      first_seq: 9,
    });
    expect(currentProcess(beat(), [announced(), older])).toMatchObject({ pid: 100 });
  });

  it("is the later one by first word where a start is not known", () => {
    const row = announced({ pid: 200, started_at: 0, announced_at: T + 400 });
    expect(currentProcess(beat({ started_at: 0 }), [row])?.pid).toBe(100);
    const later = announced({ pid: 200, started_at: 0, announced_at: T + 600 });
    expect(currentProcess(beat({ started_at: 0 }), [later])?.pid).toBe(200);
  });

  it("compares starts on different hosts on the stream's clock", () => {
    // The beating host's clock is an hour ahead: its start only looks later.
    const ahead = beat({ host: "b", started_at: T + 3_600_000, clock_offset_ms: 3_600_000 });
    const row = announced({ pid: 7, started_at: T + 1_000, announced_at: T + 1_010 });
    expect(currentProcess(ahead, [row])?.pid).toBe(7);
  });

  it("does not depend on the order of the announced rows", () => {
    const rows = fc.array(
      fc.record({
        host: fc.constantFrom("a", "b", "unknown"),
        pid: fc.integer({ min: 1, max: 3 }),
        started_at: fc.constantFrom(0, T, T + 1, T + 2),
        state: fc.constantFrom("starting" as const, "exited" as const),
        announced_at: fc.integer({ min: T, max: T + 3 }),
        ended_at: fc.constant(null),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(rows, fc.boolean(), fc.infiniteStream(fc.nat()), (some, beats, order) => {
        const unique = some.map((row, index) => ({ ...row, first_seq: index + 1 }));
        const shuffled = unique
          .map((row) => ({ row, key: order.next().value ?? 0 }))
          .toSorted((one, other) => one.key - other.key)
          .map(({ row }) => row);
        const own = beats ? beat({ host: "a", pid: 1 }) : undefined;
        expect(currentProcess(own, shuffled)).toEqual(currentProcess(own, unique));
      }),
    );
  });

  it("needs no more announced rows than the newest and the beating process's own", () => {
    const rows = fc.array(
      fc.record({
        host: fc.constantFrom("edge-1", "b"),
        pid: fc.integer({ min: 99, max: 102 }),
        started_at: fc.constantFrom(0, T, T + 1_000),
        state: fc.constantFrom("starting" as const, "killed" as const),
        announced_at: fc.integer({ min: T, max: T + 3 }),
        ended_at: fc.constant(null),
        first_seq: fc.nat(),
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(rows, (some) => {
        const own = newestAnnounced(some.filter((row) => isSameProcess(row, beat())));
        const few = [newestAnnounced(some), own].filter((row) => row !== undefined);
        expect(currentProcess(beat(), few)).toEqual(currentProcess(beat(), some));
      }),
    );
  });
});

describe("the state of a process", () => {
  it.each([
    ["nobody announced it", undefined, T, "running"],
    ["announced, no heartbeat", announced(), null, "starting"],
    ["announced, beating", announced(), T, "running"],
    ["stopping and still beating", announced({ state: "stopping" }), T, "stopping"],
    ["ended", announced({ state: "killed", ended_at: T }), T + 1, "killed"],
    ["lost", announced({ state: "lost", ended_at: T }), T + 2_000, "lost"],
    ["lost and back", announced({ state: "lost", ended_at: T }), T + 2_001, "running"],
  ] as const)("%s", (_name, row, lastHeartbeatAt, state) => {
    expect(processState(row, lastHeartbeatAt)).toBe(state);
  });
});

describe("liveness", () => {
  it("leaves out the heartbeats of a process that is no longer the current one", () => {
    const next = announced({ pid: 101, started_at: T + 90_000, announced_at: T + 90_010 });
    const current = currentProcess(beat(), [next]);
    expect(livenessOf(current, beat(), NO_EXPECTATION)).toEqual({
      lastHeartbeatAt: null,
      beatingSince: null,
      intervalSec: null,
      spawnedAt: T + 90_010,
      endedAt: null,
      declaredAt: null,
    });
  });

  it.each([
    [null, null, null],
    [30, null, 30],
    [null, 10, 10],
    [30, 10, 30],
    [5, 10, 10],
  ])("takes the longer of two intervals: fleet file %s, runner %s", (fleet, own, interval) => {
    const heard = beat({ interval_sec: own });
    const current = currentProcess(heard, []);
    const expected = { intervalSec: fleet, expectedAt: null };
    expect(livenessOf(current, heard, expected).intervalSec).toBe(interval);
  });
});

describe("a duplicate", () => {
  const duplicate = (own: BeatingProcess, rows: AnnouncedProcess[], now: number): boolean =>
    hasDuplicate(currentProcess(own, rows), own, now, DEFAULT_THRESHOLDS);

  it("is an older process that beats on beside the current one", () => {
    const own = beat({ rival_at: T + 50_000 });
    expect(duplicate(own, [], T + 65_000)).toBe(true);
    expect(duplicate(own, [], T + 65_001)).toBe(false);
  });

  it("is not the predecessor whose last heartbeat came before", () => {
    expect(duplicate(beat({ rival_at: T + 400 }), [], T + 600)).toBe(false);
  });

  it("is the process that beats on after its successor was spawned", () => {
    const next = announced({ pid: 101, started_at: T + 30_000, announced_at: T + 30_010 });
    expect(duplicate(beat({ last_heartbeat_at: T + 32_011 }), [next], T + 33_000)).toBe(true);
    expect(duplicate(beat({ last_heartbeat_at: T + 32_010 }), [next], T + 33_000)).toBe(false);
  });

  it("is looked for longer where the runner beats less often", () => {
    const own = beat({ rival_at: T + 50_000, interval_sec: 20 });
    expect(duplicate(own, [], T + 80_000)).toBe(true);
  });
});
