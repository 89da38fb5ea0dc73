import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS, statusOf } from "../../lib/core/status.ts";
import type { Liveness, PipelineView } from "../../lib/core/status.ts";
import { statusWindow } from "../../lib/core/status-window.ts";

const T = 1_700_000_000_000;
const time = fc.integer({ min: T, max: T + 400_000 });
const liveness: fc.Arbitrary<Liveness> = fc.record({
  lastHeartbeatAt: fc.option(time),
  beatingSince: fc.option(time),
  intervalSec: fc.option(fc.double({ min: 0.5, max: 40, noNaN: true })),
  spawnedAt: fc.option(time),
  endedAt: fc.option(time),
  declaredAt: fc.option(time),
});
const blindness = fc
  .tuple(time, fc.nat(60_000))
  .map(([from, length]) => ({ from, to: from + length }));
const view: fc.Arbitrary<PipelineView> = fc.oneof(
  fc.constant(CLEAR_VIEW),
  fc.record({ blindSince: fc.constant(null), lastBlind: blindness }),
  fc.record({ blindSince: time, lastBlind: fc.option(blindness) }),
);

describe("the window of a status", () => {
  it("holds the moment that it was asked for", () => {
    fc.assert(
      fc.property(liveness, time, view, (runner, now, seen) => {
        const { after, until } = statusWindow(runner, now, DEFAULT_THRESHOLDS, seen);
        expect(after < now && now <= until).toBe(true);
      }),
    );
  });

  it("has one answer for every moment within it", () => {
    fc.assert(
      fc.property(liveness, time, time, view, (runner, now, other, seen) => {
        const { after, until } = statusWindow(runner, now, DEFAULT_THRESHOLDS, seen);
        fc.pre(after < other && other <= until);
        const answer = (at: number) => statusOf(runner, at, DEFAULT_THRESHOLDS, seen);
        expect(answer(other)).toEqual(answer(now));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [T + 1_000, T + 15_000],
    [T + 15_000, T + 15_000],
    [T + 15_001, T + 45_000],
    [T + 45_001, T + 120_000],
    [T + 120_001, Infinity],
  ])("ends at the next threshold: asked at %d, until %d", (now, until) => {
    const runner: Liveness = {
      lastHeartbeatAt: T,
      beatingSince: T,
      intervalSec: 10,
      spawnedAt: null,
      endedAt: null,
      declaredAt: null,
    };
    expect(statusWindow(runner, now, DEFAULT_THRESHOLDS, CLEAR_VIEW).until).toBe(until);
  });
});
