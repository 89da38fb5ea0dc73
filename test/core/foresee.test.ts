import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foresee } from "../../lib/core/foresee.ts";
import type { BeatsSeen, Observed, RunSeen } from "../../lib/core/observed.ts";
import type { TimelineView } from "../../lib/core/read-models.ts";
import { DEFAULT_THRESHOLDS, statusOf } from "../../lib/core/status.ts";
import { supposedMemory, supposedRunner } from "../../lib/core/supposed-memory.ts";
import { Rig, idOf } from "./decide-rig.ts";

const A = idOf("process/a/default");
const ONE = `runners: { ${A}: { command: [a] } }`;
const NO_FIGURES = { memoryMb: null, cpuPercent: null, vramMb: null };

/** What is seen at any time if nothing happens from now on. */
function asItIs(rig: Rig): (time: number) => Observed {
  const { run, beats } = rig.world.observe([A]).runners.get(A) ?? { run: null, beats: null };
  if (run === null || beats === null) throw new Error("the rig has no such runner");
  const settled: RunSeen = run.kind === "ended" ? { kind: "none" } : run;
  return (time) => ({
    runners: new Map([[A, { run: settled, beats: silence(beats, settled, time) }]]),
    blindSince: null,
    sightedAt: null,
  });
}

function silence(beats: BeatsSeen, run: RunSeen, time: number): BeatsSeen {
  const liveness = {
    lastHeartbeatAt: beats.lastAt,
    beatingSince: null,
    intervalSec: null,
    spawnedAt: run.kind === "running" ? run.since : null,
    endedAt: run.kind === "running" ? null : time,
    declaredAt: null,
  };
  const { status } = statusOf(liveness, time, DEFAULT_THRESHOLDS);
  return { ...NO_FIGURES, lastAt: beats.lastAt, status };
}

function foreseen(rig: Rig) {
  return foresee({
    fleet: rig.fleet,
    settings: rig.settings,
    runner: A,
    memory: rig.memory,
    until: rig.world.wall + 3_600_000,
    seenAt: asItIs(rig),
  });
}

/** What the rig does next, and when. */
function doesNext(rig: Rig, seconds: number) {
  const before = rig.done.length;
  const from = rig.world.wall;
  const at = rig.world.now;
  while (rig.world.now < at + seconds * 1_000) {
    rig.pass(1);
    const done = rig.done.slice(before).filter(({ action }) => !isQuiet(action.kind));
    if (done.length > 0) {
      return { sec: Math.round((rig.world.wall - from) / 1_000), kinds: done.map(kindOf) };
    }
  }
  return undefined;
}

function isQuiet(kind: string): boolean {
  return kind === "note" || kind === "settle";
}

function kindOf({ action }: Rig["done"][number]): string {
  return action.kind === "event" ? action.type : action.kind;
}

/** The events that the rig's enforcer and its runs have left, as the time line has them. */
function timelineOf(rig: Rig, from: number): TimelineView[] {
  return rig.done.flatMap(({ at, action }, index): TimelineView[] => {
    const row = { stream_seq: index + 1, time: from + at * 1_000, runner: A, by: "enforcer@rig" };
    if (action.kind === "start") {
      const data = JSON.stringify({ attempt: action.attempt });
      return [{ ...row, type: "process_spawned", data }];
    }
    if (action.kind === "settle") return [{ ...row, type: "process_exited", data: "{}" }];
    if (action.kind !== "event") return [];
    return [{ ...row, type: action.type, data: JSON.stringify(action.data) }];
  });
}

describe("foreseeing what the enforcer does", () => {
  it("tells the start that it then makes, whichever of the waits it is in", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 660 }), (seconds) => {
        const rig = new Rig(ONE);
        rig.lifeMs = 1_000;
        rig.pass(seconds);
        if (rig.isAlive(A)) return;
        const told = foreseen(rig);
        const done = doesNext(rig, 700);
        expect(told?.actions.map(({ kind }) => kind).at(-1)).toBe("start");
        expect(done?.kinds).toContain("start");
        const sec = Math.round(((told?.at ?? 0) - rig.memory.at) / 1_000);
        expect(Math.abs(sec)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 40 },
    );
  });

  it("tells when a silent runner will be ended and started again", () => {
    const rig = new Rig(ONE);
    rig.pass(40).hang(A);
    rig.pass(30);
    const from = rig.world.wall;
    const told = foreseen(rig);
    const done = doesNext(rig, 300);
    expect(told?.actions.map((action) => kindOf({ at: 0, action }))).toEqual([
      "restart_scheduled",
      "stop",
    ]);
    expect(done?.kinds).toEqual(["restart_scheduled", "stop"]);
    expect(Math.round(((told?.at ?? 0) - from) / 1_000)).toBe(done?.sec);
  });

  it("tells nothing where nothing will be done", () => {
    const rig = new Rig(`restart_deny: ["${A}"]\n${ONE}`);
    rig.lifeMs = 1_000;
    rig.pass(30);
    expect(foreseen(rig)).toBeUndefined();
  });

  it("knows from the events alone what the enforcer remembers", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 1_500 }), (seconds) => {
        const rig = new Rig(ONE);
        const from = rig.world.wall;
        rig.lifeMs = 1_000;
        rig.pass(seconds);
        const supposed = supposedRunner("command", timelineOf(rig, from));
        const real = rig.memory.runners[A];
        expect(supposed.plan).toEqual(real?.plan);
        // In the cooldown the count starts anew only when it is over.
        expect(supposed.attempts).toBe(real?.attempts);
        expect(supposed.run === null).toBe(real?.run === null);
      }),
      { numRuns: 40 },
    );
  });

  it("foretells the same from the events as from the memory", () => {
    const rig = new Rig(ONE);
    const from = rig.world.wall;
    rig.lifeMs = 1_000;
    rig.pass(30);
    const events = timelineOf(rig, from);
    const memory = supposedMemory(A, supposedRunner("command", events), rig.world.wall);
    const told = foresee({
      fleet: rig.fleet,
      settings: rig.settings,
      runner: A,
      memory,
      until: rig.world.wall + 3_600_000,
      seenAt: asItIs(rig),
    });
    expect(told?.at).toBe(foreseen(rig)?.at);
  });
});
