import { describe, expect, test } from "vitest";
import { ReplayPace } from "../../lib/operator/replay-pace.ts";

const T0 = 1_000_000;

describe("the pace of a replay", () => {
  test("lets messages come as far apart as they were, or so many times as fast", () => {
    for (const speed of [1, 10]) {
      const pace = new ReplayPace(speed);
      expect(pace.waitMs(T0, 500)).toBe(0);
      pace.pass(T0, 500);
      expect(pace.waitMs(T0 + 3_000, 500)).toBe(3_000 / speed);
      expect(pace.waitMs(T0 + 3_000, 500 + 1_000 / speed)).toBeCloseTo(2_000 / speed);
      expect(pace.waitMs(T0 + 3_000, 500 + 9_000)).toBe(0);
    }
  });

  test("does not lose time to messages that are shown late", () => {
    const pace = new ReplayPace(1);
    pace.pass(T0, 0);
    pace.pass(T0 + 1_000, 1_400);
    expect(pace.waitMs(T0 + 2_000, 1_400)).toBe(600);
  });

  test("waits for nothing at full speed", () => {
    const pace = new ReplayPace(Infinity);
    pace.pass(T0, 0);
    expect(pace.waitMs(T0 + 86_400_000, 1)).toBe(0);
    expect(pace.momentAt(9)).toBe(T0);
  });

  test("stands still while paused, and goes on from there", () => {
    const pace = new ReplayPace(2);
    pace.pass(T0, 0);
    pace.pause(1_000);
    expect(pace.waitMs(T0 + 2_500, 60_000)).toBe(Infinity);
    expect(pace.momentAt(60_000)).toBe(T0 + 2_000);
    pace.resume(60_000);
    expect(pace.waitMs(T0 + 2_500, 60_000)).toBe(250);
  });

  test("steps through messages one by one", () => {
    const pace = new ReplayPace(1);
    pace.pass(T0, 0);
    pace.step(10);
    expect(pace.isPaused).toBe(true);
    expect(pace.waitMs(T0 + 5_000, 10)).toBe(0);
    pace.pass(T0 + 5_000, 10);
    expect(pace.waitMs(T0 + 5_000, 10)).toBe(Infinity);
    pace.resume(20);
    expect(pace.waitMs(T0 + 5_500, 20)).toBe(500);
  });

  test("changes its speed from the moment on that it is told to", () => {
    const pace = new ReplayPace(1);
    pace.pass(T0, 0);
    pace.faster(1_000);
    expect(pace.speed).toBe(2);
    expect(pace.momentAt(1_500)).toBe(T0 + 2_000);
    for (let n = 0; n < 20; n++) pace.faster(1_500);
    expect(pace.speed).toBe(Infinity);
    pace.slower(1_500);
    expect(pace.speed).toBe(1_000);
    for (let n = 0; n < 20; n++) pace.slower(1_500);
    expect(pace.speed).toBe(1);
  });

  test("skips a time in which nothing happened", () => {
    const pace = new ReplayPace(1);
    pace.pass(T0, 0);
    pace.skip(T0 + 3_600_000, 100);
    expect(pace.waitMs(T0 + 3_600_000, 100)).toBe(0);
    expect(pace.waitMs(T0 + 3_601_000, 100)).toBe(1_000);
  });
});
