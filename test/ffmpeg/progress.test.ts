import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFpsMeter, createProgressParser } from "../../lib/ffmpeg/progress.ts";
import type { ProgressBlock } from "../../lib/ffmpeg/progress.ts";

const BLOCKS = `frame=15
fps=14.90
stream_0_0_q=-0.0
bitrate=N/A
total_size=N/A
out_time_us=1000000
out_time_ms=1000000
out_time=00:00:01.000000
dup_frames=0
drop_frames=0
speed=   1x
progress=continue
out_time_us=N/A
progress=continue
frame=30
out_time_ms=2000000
progress=end
`;

const EXPECTED: ProgressBlock[] = [
  { frames: 15, outTimeUs: 1_000_000, isEnd: false },
  { frames: null, outTimeUs: null, isEnd: false },
  { frames: 30, outTimeUs: 2_000_000, isEnd: true },
];

describe("progress", () => {
  it("is read the same however it is cut into pieces", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(BLOCKS.length)), (cuts) => {
        const blocks: ProgressBlock[] = [];
        const feed = createProgressParser((block) => blocks.push(block));
        const places = [0, ...cuts.toSorted((a, b) => a - b), BLOCKS.length];
        places.forEach((place, index) => feed(BLOCKS.slice(place, places[index + 1] ?? place)));
        expect(blocks).toEqual(EXPECTED);
      }),
    );
  });

  it("takes a flood without a line end, and goes on", () => {
    const blocks: ProgressBlock[] = [];
    const feed = createProgressParser((block) => blocks.push(block));
    for (let i = 0; i < 100; i++) feed("x".repeat(10_000));
    feed(`\n${BLOCKS}`);
    expect(blocks).toEqual(EXPECTED);
  });
});

describe("the rate of frames", () => {
  it("is that of the last ten seconds, not of the whole life", () => {
    const meter = createFpsMeter();
    let frames = 0;
    for (let ms = 0; ms <= 30_000; ms += 500) meter.add((frames += 5), ms);
    expect(meter.fps(30_000)).toBeCloseTo(10);
    for (let ms = 30_500; ms <= 40_000; ms += 500) meter.add((frames += 10), ms);
    expect(meter.fps(40_000)).toBeCloseTo(20);
  });

  it("falls to nothing when no blocks come any more", () => {
    const meter = createFpsMeter();
    for (let ms = 0; ms <= 20_000; ms += 500) meter.add(ms / 100, ms);
    expect(meter.fps(20_500)).toBeCloseTo(10);
    expect(meter.fps(25_000)).toBeCloseTo(5, 0);
    expect(meter.fps(40_000)).toBe(0);
  });

  it("is not known before two seconds", () => {
    const meter = createFpsMeter();
    expect(meter.fps(0)).toBeNull();
    meter.add(0, 0);
    meter.add(15, 1_000);
    expect(meter.fps(1_000)).toBeNull();
    meter.add(30, 2_000);
    expect(meter.fps(2_000)).toBeCloseTo(15);
  });
});
