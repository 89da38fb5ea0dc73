import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CameraFault } from "../../lib/core/camera-session.ts";
import { cameraEvent } from "../../lib/core/supervision.ts";
import { createTransitionLog } from "../../lib/runner/camera-transitions.ts";
import {
  DEFAULT_WATCHDOG,
  NEW_WATCH,
  afterFailure,
  afterPicture,
  afterStreaming,
  cameraState,
} from "../../lib/runner/watchdog.ts";
import type { Watch } from "../../lib/runner/watchdog.ts";

const FAULT: CameraFault = {
  name: "x",
  cause: "x",
  message: "x",
  advice: "",
  retry: "yes",
  tail: [],
};

/** What can happen to a camera; a camera that was given up can only be told to reconnect. */
function step(watch: Watch, happening: string, now: number): Watch {
  const isStreaming = watch.streamingSince !== null;
  if (happening === "reconnect") return NEW_WATCH;
  if (watch.hasGivenUp) return watch;
  if (happening === "failure") return afterFailure(watch, now, FAULT, DEFAULT_WATCHDOG);
  if (happening === "permanent") {
    return afterFailure(watch, now, { ...FAULT, retry: "no" }, DEFAULT_WATCHDOG);
  }
  if (happening === "pictures") return afterStreaming(watch, now);
  return isStreaming ? afterPicture(watch, happening === "black" ? "black" : null) : watch;
}

describe("the transitions of a camera", () => {
  it("are kept with their reasons, and only where the state changes", () => {
    const log = createTransitionLog();
    expect(log.move("reconnecting", "the same", 1)).toBeUndefined();
    expect(log.move("healthy", "pictures come", 2)).toEqual({
      from: "reconnecting",
      to: "healthy",
      reason: "pictures come",
      at: 2,
    });
    expect(log.state).toBe("healthy");
    expect(log.history()).toHaveLength(1);
  });

  it("are forgotten beyond the last hundred", () => {
    const log = createTransitionLog();
    for (let at = 0; at < 250; at++) log.move(at % 2 === 0 ? "healthy" : "degraded", "x", at);
    expect(log.history()).toHaveLength(100);
    expect(log.history().at(-1)?.at).toBe(249);
  });

  it("can't lead from offline to anything but another try", () => {
    const log = createTransitionLog();
    log.move("offline", "x", 0);
    expect(() => log.move("healthy", "by magic", 1)).toThrow(
      "a camera can't become healthy from offline (by magic)",
    );
  });

  it("are events where a person would want to know of them", () => {
    expect(cameraEvent("healthy", "reconnecting")).toBe("camera_degraded");
    expect(cameraEvent("reconnecting", "degraded")).toBe("camera_degraded");
    expect(cameraEvent("degraded", "offline")).toBe("camera_offline");
    expect(cameraEvent("offline", "reconnecting")).toBeUndefined();
    expect(cameraEvent("reconnecting", "healthy")).toBe("camera_online");
    expect(cameraEvent("healthy", "healthy")).toBeUndefined();
    expect(cameraEvent("offline", "offline")).toBeUndefined();
    expect(cameraEvent("reconnecting", "reconnecting")).toBe("camera_degraded");
  });

  it("are never impossible, whatever happens to the camera", () => {
    const happening = fc.constantFrom(
      "failure",
      "failure",
      "pictures",
      "black",
      "good",
      "permanent",
      "reconnect",
    );
    const history = fc.array(fc.tuple(happening, fc.integer({ min: 0, max: 60_000 })), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(history, (steps) => {
        const log = createTransitionLog();
        let watch = NEW_WATCH;
        let now = 0;
        for (const [what, waitMs] of steps) {
          now += waitMs;
          watch = step(watch, what, now);
          log.move(cameraState(watch, now, DEFAULT_WATCHDOG), what, now);
        }
      }),
    );
  });
});
