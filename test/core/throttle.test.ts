import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DEFAULT_RESOURCE_LIMITS, nextThrottle, shouldThrottle } from "../../lib/core/throttle.ts";
import type { ResourceSample, Throttle } from "../../lib/core/throttle.ts";

const GOOD: ResourceSample = { fps: 25, memoryPercent: 50, queues: { frames: 3 } };

describe("throttling has a reason", () => {
  it.each<[Partial<ResourceSample>, string | undefined]>([
    [{}, undefined],
    [{ memoryPercent: 80 }, undefined],
    [{ memoryPercent: 85.2 }, "Memory at 85%, limit 80%"],
    [{ queues: { frames: 1_000, out: 1_001 } }, "Queue out at size 1001, limit 1000"],
    [{ fps: 31.5 }, undefined],
    [{ fps: 59.94 }, "FPS at 59.9, limit 30"],
    [{ memoryPercent: 99, fps: 60 }, "Memory at 99%, limit 80%"],
    [{ memoryPercent: null, fps: null, queues: {} }, undefined],
  ])("%j: %s", (sample, reason) => {
    expect(shouldThrottle({ ...GOOD, ...sample }, DEFAULT_RESOURCE_LIMITS)).toBe(reason);
  });
});

function after(samples: readonly Partial<ResourceSample>[]): Throttle | undefined {
  return samples.reduce<Throttle | undefined>(
    (before, sample) => nextThrottle(before, { ...GOOD, ...sample }, DEFAULT_RESOURCE_LIMITS),
    undefined,
  );
}

describe("throttling", () => {
  it("begins at the first look that finds too much", () => {
    expect(after([{ memoryPercent: 81 }])).toMatchObject({ maxFps: 1 });
    expect(after([{ queues: { frames: 2_000 } }])).toMatchObject({ maxFps: 1 });
  });

  it("lets the allowed rate through where only the rate is too high", () => {
    expect(after([{ fps: 60 }])).toMatchObject({ maxFps: 30, reason: "FPS at 60, limit 30" });
    expect(after([{ fps: 60, memoryPercent: 90 }])).toMatchObject({ maxFps: 1 });
  });

  it("goes on just below the limit, and ends after two good looks", () => {
    expect(after([{ memoryPercent: 85 }, { memoryPercent: 75 }, { memoryPercent: 75 }])).toEqual({
      reason: "Memory at 85%, limit 80%",
      maxFps: 1,
      goodLooks: 0,
    });
    expect(after([{ memoryPercent: 85 }, {}])).toMatchObject({ goodLooks: 1 });
    expect(after([{ memoryPercent: 85 }, {}, {}])).toBeUndefined();
    expect(after([{ memoryPercent: 85 }, {}, { memoryPercent: 75 }, {}])).toBeDefined();
  });

  it("does not flap with a figure that swings around the limit", () => {
    const swings = fc.array(fc.double({ min: 73, max: 88, noNaN: true }), { maxLength: 50 });
    fc.assert(
      fc.property(swings, (percents) => {
        let throttle: Throttle | undefined;
        let changes = 0;
        for (const memoryPercent of percents) {
          const next = nextThrottle(throttle, { ...GOOD, memoryPercent }, DEFAULT_RESOURCE_LIMITS);
          if ((next === undefined) !== (throttle === undefined)) changes++;
          throttle = next;
        }
        expect(changes).toBeLessThanOrEqual(1);
      }),
    );
  });
});
