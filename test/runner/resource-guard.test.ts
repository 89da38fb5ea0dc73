import { afterEach, describe, expect, it } from "vitest";
import { createFrameRate } from "../../lib/runner/frame-rate.ts";
import { startResourceGuard } from "../../lib/runner/resource-guard.ts";
import type { ResourceGuard, WatchedCamera } from "../../lib/runner/resource-guard.ts";
import { waitFor } from "../support/wait-for.ts";

const guards: ResourceGuard[] = [];

afterEach(() => {
  for (const guard of guards.splice(0)) guard.stop();
});

/** A guard on a host and a clock of the test's own. */
function start() {
  const world = { usedBytes: 50, nowMs: 0, frames: 0, waiting: 0 };
  const guard = startResourceGuard({
    everySec: 3_600,
    host: {
      memory: () => ({ usedBytes: world.usedBytes, limitBytes: 100 }),
      cpuPercent: () => null,
    },
    nowMs: () => world.nowMs,
  });
  guards.push(guard);
  const changes: (readonly [string | undefined, string | undefined])[] = [];
  const watch = (options: Partial<WatchedCamera> = {}) =>
    guard.watch({
      frames: () => world.frames,
      queues: () => ({ frames: world.waiting }),
      onChange: (reason, before) => changes.push([reason, before]),
      ...options,
    });
  return { world, guard, changes, watch };
}

/** How many of the pictures that come in so many seconds are analysed. */
function admitted(
  { world, guard }: Pick<ReturnType<typeof start>, "world" | "guard">,
  camera: ReturnType<ResourceGuard["watch"]>,
  seconds: number,
  fps: number,
): number {
  let count = 0;
  for (let i = 0; i < seconds * fps; i++) {
    world.nowMs += 1_000 / fps;
    world.frames++;
    if (camera.admit(world.nowMs)) count++;
    if (i % (5 * fps) === 5 * fps - 1) guard.look();
  }
  return count;
}

describe("the resource guard", () => {
  it("lets every picture through while all is well", () => {
    const rig = start();
    const camera = rig.watch();
    expect(admitted(rig, camera, 60, 30)).toBe(1_800);
    expect(camera.resources()).toMatchObject({ throttled: false, throttleReason: "" });
    expect(camera.resources().fps).toBeCloseTo(30);
    expect(rig.changes).toEqual([]);
  });

  it("lets one picture a second through while memory is short, and tells when and why", () => {
    const rig = start();
    const camera = rig.watch();
    rig.world.usedBytes = 85;
    rig.guard.look();
    expect(camera.resources()).toMatchObject({
      throttled: true,
      throttleReason: "Memory at 85%, limit 80%",
      memoryPercent: 85,
    });
    expect(admitted(rig, camera, 60, 25)).toBeLessThanOrEqual(61);
    rig.world.usedBytes = 60;
    rig.guard.look();
    rig.guard.look();
    expect(admitted(rig, camera, 4, 25)).toBe(100);
    expect(rig.changes).toEqual([
      ["Memory at 85%, limit 80%", undefined],
      [undefined, "Memory at 85%, limit 80%"],
    ]);
  });

  it("lets no more than the allowed rate through, but that", () => {
    const rig = start();
    const camera = rig.watch({ limits: { maxFps: 20 } });
    admitted(rig, camera, 60, 50);
    expect(camera.resources().throttleReason).toBe("FPS at 50, limit 20");
    const count = admitted(rig, camera, 60, 50);
    expect(count).toBeGreaterThan(1_190);
    expect(count).toBeLessThan(1_210);
  });

  it("throttles where a queue grows, and each camera for itself", () => {
    const rig = start();
    const slow = rig.watch({ queues: () => ({ out: 1_200 }) });
    const quick = rig.watch();
    rig.guard.look();
    expect(slow.resources().throttleReason).toBe("Queue out at size 1200, limit 1000");
    expect(quick.resources().throttled).toBe(false);
    slow.close();
    rig.world.usedBytes = 99;
    rig.guard.look();
    expect(quick.resources().throttled).toBe(true);
    expect(slow.resources().throttleReason).toBe("Queue out at size 1200, limit 1000");
  });

  it("looks by itself, at the real host", async () => {
    const guard = startResourceGuard({ everySec: 0.02 });
    guards.push(guard);
    let reason: string | undefined;
    const camera = guard.watch({
      frames: () => 0,
      queues: () => ({ frames: 5 }),
      limits: { maxQueueSize: 4, maxMemoryPercent: 100 },
      onChange: (now) => (reason = now),
    });
    await waitFor(() => reason === "Queue frames at size 5, limit 4");
    expect(camera.resources().memoryPercent).toBeGreaterThan(0);
    expect(camera.resources().memoryPercent).toBeLessThan(100);
  });
});

describe("a rate over the last minute", () => {
  it("is not told before two seconds are known", () => {
    const rate = createFrameRate(100, 0);
    rate.add(110, 1_000);
    expect(rate.perSec()).toBeNull();
    rate.add(150, 2_000);
    expect(rate.perSec()).toBeCloseTo(25);
  });

  it("forgets what was before", () => {
    const rate = createFrameRate(0, 0);
    for (let sec = 5; sec <= 120; sec += 5) rate.add(sec * 50, sec * 1_000);
    for (let sec = 125; sec <= 180; sec += 5) rate.add(6_000, sec * 1_000);
    expect(rate.perSec()).toBe(0);
  });

  it("is a mean over the minute", () => {
    const rate = createFrameRate(0, 0);
    for (let sec = 1; sec <= 90; sec += 1) rate.add(sec <= 60 ? sec * 10 : 600, sec * 1_000);
    expect(rate.perSec()).toBeCloseTo(5, 0);
  });
});
