import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CameraFault, Retry } from "../../lib/core/camera-session.ts";
import {
  DEFAULT_WATCHDOG,
  NEW_WATCH,
  afterFailure,
  afterStreaming,
  cameraState,
  retryDelayMs,
} from "../../lib/runner/watchdog.ts";
import type { Watch } from "../../lib/runner/watchdog.ts";

const NO_JITTER = 0.5;

function fault(retry: Retry = "yes"): CameraFault {
  return { name: "x", cause: "x", message: "x", advice: "", retry, tail: [] };
}

function fail(times: number, from: Watch = NEW_WATCH, now = 0): Watch {
  let watch = from;
  for (let i = 0; i < times; i++) watch = afterFailure(watch, now, fault(), DEFAULT_WATCHDOG);
  return watch;
}

function state(watch: Watch, now = 0) {
  return cameraState(watch, now, DEFAULT_WATCHDOG);
}

describe("the watchdog", () => {
  it("tries after 1, 2, 4, 8, 16, 32 and then 60 seconds, and stops after ten failures", () => {
    const delays = Array.from({ length: 10 }, (_, index) =>
      retryDelayMs(fail(index + 1), DEFAULT_WATCHDOG, NO_JITTER),
    );
    const seconds = delays.map((ms) => (ms === null ? null : ms / 1000));
    expect(seconds).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, null]);
  });

  it("goes from reconnecting over degraded to offline", () => {
    const states = Array.from({ length: 11 }, (_, failures) => state(fail(failures)));
    expect(states.slice(0, 3)).toEqual(["reconnecting", "reconnecting", "reconnecting"]);
    expect(new Set(states.slice(3, 10))).toEqual(new Set(["degraded"]));
    expect(states[10]).toBe("offline");
  });

  it("never gives up where the number of failures is not limited", () => {
    const policy = { ...DEFAULT_WATCHDOG, maxFailures: 0 };
    let watch = NEW_WATCH;
    for (let i = 0; i < 100; i++) watch = afterFailure(watch, 0, fault(), policy);
    expect(retryDelayMs(watch, policy, NO_JITTER)).toBe(60_000);
  });

  it("forgets failures only after the stream was good for 30 seconds", () => {
    const flapping = afterStreaming(fail(2), 1_000);
    expect(state(flapping, 1_000)).toBe("healthy");
    expect(fail(1, flapping, 30_999).failures).toBe(3);
    expect(fail(1, flapping, 31_000).failures).toBe(1);

    const recovering = afterStreaming(fail(5), 1_000);
    expect(state(recovering, 30_999)).toBe("degraded");
    expect(state(recovering, 31_000)).toBe("healthy");
  });

  it.each([
    ["slowly", 60_000],
    ["after_host", 60_000],
    ["on_cpu", 1_000],
    ["no", null],
    ["after_change", null],
  ] as const)("answers a fault to be retried %s with a pause of %s ms", (retry, delayMs) => {
    const watch = afterFailure(NEW_WATCH, 0, fault(retry), DEFAULT_WATCHDOG);
    expect(retryDelayMs(watch, DEFAULT_WATCHDOG, NO_JITTER)).toBe(delayMs);
    expect(state(watch)).toBe(delayMs === null ? "offline" : "reconnecting");
  });

  it("keeps its pauses within a tenth of what they should be", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, random) => {
          const exact = retryDelayMs(fail(n), DEFAULT_WATCHDOG, NO_JITTER) ?? 0;
          const delay = retryDelayMs(fail(n), DEFAULT_WATCHDOG, random) ?? 0;
          expect(Math.abs(delay - exact)).toBeLessThanOrEqual(exact / 10 + 1);
        },
      ),
    );
  });
});
