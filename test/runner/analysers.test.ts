import { describe, expect, it } from "vitest";
import type { Frame } from "../../lib/core/camera-session.ts";
import type { Analyser, Analysis } from "../../lib/runner/analysers/analyser.ts";
import { ANALYSER_NAMES, createAnalyser } from "../../lib/runner/analysers/named.ts";
import { FrameQueue } from "../../lib/runner/frame-queue.ts";
import { waitFor } from "../support/wait-for.ts";

/** A grey picture with bright squares, given by their left upper corners. */
function picture(squares: readonly (readonly [x: number, y: number])[], noise = 0): Frame {
  const data = new Uint8Array(160 * 90);
  data.forEach((_, at) => (data[at] = 90 + ((at * 7919) % (noise + 1))));
  for (const [left, top] of squares) {
    for (let y = top; y < top + 15; y++) data.fill(230, y * 160 + left, y * 160 + left + 15);
  }
  return { data, width: 160, height: 90, atMs: performance.now() };
}

async function detect(analyser: Analyser, frame: Frame): Promise<number> {
  return (await analyser.analyse(frame)).detected;
}

describe("the motion analyser", () => {
  it("sees nothing in a still picture, noise included", async () => {
    const motion = createAnalyser("motion");
    for (let i = 0; i < 10; i++) {
      expect(await detect(motion, picture([[30, 30]], (i % 2) * 8))).toBe(0);
    }
  });

  it("counts what appears at different places, and forgets what stays", async () => {
    const motion = createAnalyser("motion");
    await detect(motion, picture([]));
    expect(await detect(motion, picture([[20, 20]]))).toBe(1);
    expect(
      await detect(
        motion,
        picture([
          [20, 20],
          [90, 60],
          [140, 5],
        ]),
      ),
    ).toBe(3);
    for (let i = 0; i < 20; i++) await detect(motion, picture([[90, 60]]));
    expect(await detect(motion, picture([[90, 60]]))).toBe(0);
  });

  it("takes things that touch as one", async () => {
    const motion = createAnalyser("motion");
    await detect(motion, picture([]));
    expect(
      await detect(
        motion,
        picture([
          [20, 20],
          [35, 35],
        ]),
      ),
    ).toBe(1);
  });
});

describe("analysers", () => {
  it("are named, and an unknown name is refused", () => {
    expect(ANALYSER_NAMES).toEqual(["none", "motion"]);
    expect(createAnalyser("none").wants).toBeNull();
    expect(() => createAnalyser("toString")).toThrow(
      /no analyser "toString": choose one of none, motion/,
    );
  });
});

function slow(answer: (frame: Frame) => Promise<Analysis>): Analyser {
  return { name: "slow", wants: null, analyse: answer };
}

describe("the frame queue", () => {
  it("drops the oldest picture when the analyser can't keep up", async () => {
    const seen: number[] = [];
    let release = () => {};
    const first = new Promise<void>((resolve) => (release = resolve));
    const queue = new FrameQueue(
      slow(async (frame) => {
        seen.push(frame.width);
        await first;
        return { detected: frame.width, matched: 0 };
      }),
    );
    for (let i = 1; i <= 20; i++) queue.push({ ...picture([]), width: i });
    expect(queue.size).toBe(8);
    release();
    await waitFor(() => queue.analysed === 9);
    expect(seen).toEqual([1, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(queue.dropped).toBe(11);
  });

  it("gives the most that was found and the mean latency since it was last asked", async () => {
    const queue = new FrameQueue(slow(async ({ width }) => ({ detected: width, matched: 1 })));
    for (const width of [1, 4, 2]) queue.push({ ...picture([]), width });
    await waitFor(() => queue.analysed === 3);
    const figures = queue.take();
    expect(figures).toMatchObject({ detected: 4, matched: 1, error: "" });
    expect(figures.latencyMs).toBeGreaterThan(0);
    expect(queue.take()).toEqual({ detected: 0, matched: 0, latencyMs: null, error: "" });
  });

  it("tells of an analyser that fails, and goes on", async () => {
    let calls = 0;
    const queue = new FrameQueue(
      slow(async () => {
        if (calls++ === 0) throw new Error("no model");
        return { detected: 1, matched: 1 };
      }),
    );
    queue.push(picture([]));
    queue.push(picture([]));
    await waitFor(() => queue.analysed === 1);
    expect(queue.take().error).toBe("Analyser slow failed: no model");
    expect(queue.take().error).toBe("");
  });
});
