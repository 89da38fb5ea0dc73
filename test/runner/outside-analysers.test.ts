import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Frame } from "../../lib/core/camera-session.ts";
import type { AnalyserProgram } from "../../lib/core/fleet.ts";
import type { Analyser } from "../../lib/runner/analysers/analyser.ts";
import { openAnalyser } from "../../lib/runner/analysers/named.ts";
import { spawnGroup } from "../../lib/runner/child-group.ts";
import { FrameQueue } from "../../lib/runner/frame-queue.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

/** Counts bright pixels; talks; dies of a picture that begins with 13; hangs at 14. */
const PYTHON = `
import json, os, sys, time
size = int(os.environ["RUNBEAT_FRAME_WIDTH"]) * int(os.environ["RUNBEAT_FRAME_HEIGHT"])
print("loading the model", flush=True)
while True:
    picture = sys.stdin.buffer.read(size)
    if len(picture) < size:
        break
    if picture[0] == 13:
        sys.exit("model file is broken: rtsp://viewer:hush@cam/a")
    if picture[0] == 14:
        time.sleep(60)
    bright = sum(1 for value in picture if value > 200)
    print(json.dumps({"detected": bright, "matched": bright // 2, "boxes": []}), flush=True)
`;

const folder = makeTempDir("analysers");
const opened: Analyser[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (analyser) => await analyser.stop?.()));
});

function frame(first: number, bright = 0): Frame {
  const data = new Uint8Array(16 * 8);
  data.fill(255, 1, 1 + bright);
  data[0] = first;
  return { data, width: 16, height: 8, atMs: performance.now() };
}

async function open(wanted: string | AnalyserProgram, answerMs = 5_000): Promise<Analyser> {
  const context = { spawn: spawnGroup, env: process.env, backoffMs: [50], answerMs };
  const analyser = await openAnalyser(wanted, context);
  opened.push(analyser);
  return analyser;
}

async function openPython(answerMs?: number): Promise<Analyser> {
  writeFileSync(join(folder, "bright.py"), PYTHON);
  const size = { width: 16, height: 8, pixels: "gray", fps: 2 } as const;
  return await open({ command: ["python3", "bright.py"], cwd: folder, ...size }, answerMs);
}

async function openModule(name: string, text: string): Promise<Analyser> {
  const path = join(folder, name);
  writeFileSync(path, text);
  return await open(path);
}

describe("a program that analyses", () => {
  it("is handed raw pictures and answers with lines of JSON", async () => {
    const analyser = await openPython();
    expect(analyser.wants).toEqual({ width: 16, height: 8, pixels: "gray", maxFps: 2 });
    for (const bright of [3, 0, 8]) {
      const answer = { detected: bright, matched: Math.floor(bright / 2) };
      expect(await analyser.analyse(frame(0, bright))).toEqual(answer);
    }
  });

  it("is started again after it has died, and what it said is told without passwords", async () => {
    const queue = new FrameQueue(await openPython());
    queue.push(frame(13));
    const { error } = await waitFor(() => {
      const figures = queue.take();
      return figures.error === "" ? null : figures;
    });
    expect(error).toMatch(/^Analyser bright\.py failed: it ended with exit code 1: model file is/);
    expect(error).not.toContain("hush");
    await waitFor(() => {
      queue.push(frame(0, 5));
      return queue.take().detected === 5;
    });
  });

  it("is started again when it does not answer, and its talk is told", async () => {
    const analyser = await openPython(1_000);
    await waitFor(async () => await analyser.analyse(frame(0)));
    await expect(analyser.analyse(frame(14))).rejects.toThrow(
      "it did not answer within 1 s and wrote loading the model; it is started again",
    );
    await waitFor(async () => (await analyser.analyse(frame(0, 2))).detected === 2);
  });

  it("that does not exist is an error of every picture and of nothing else", async () => {
    const size = { width: 16, height: 8, pixels: "gray", fps: 2 } as const;
    const analyser = await open({ command: ["./nothing"], cwd: folder, ...size });
    await expect(analyser.analyse(frame(0))).rejects.toThrow(/nothing/);
  });
});

describe("a module that analyses", () => {
  it("answers for each picture, and is told to stop", async () => {
    const analyser = await openModule(
      "mean.mjs",
      `export function createAnalyser() {
        let sum = 0;
        return {
          wants: { width: 16, height: 8, pixels: "gray", maxFps: 1 },
          analyse(frame) { return { detected: (sum += frame.data[0]), matched: 1 }; },
          async stop() { throw new Error("never mind"); },
        };
      }`,
    );
    expect(analyser.name).toBe("mean.mjs");
    expect(await analyser.analyse(frame(4))).toEqual({ detected: 4, matched: 1 });
    expect(await analyser.analyse(frame(4))).toEqual({ detected: 8, matched: 1 });
    await expect(analyser.stop?.()).resolves.toBeUndefined();
  });

  it.each([
    ["missing.mjs", "", "it must export a function createAnalyser"],
    ["broken.mjs", 'throw new Error("no model here");', "no model here"],
    [
      "empty.mjs",
      "export const createAnalyser = () => ({});",
      "createAnalyser() must answer {wants",
    ],
    [
      "odd.mjs",
      `export const createAnalyser = () => ({
         wants: { width: 16, height: 8, pixels: "gray", maxFps: 1 }, analyse: () => "two" });`,
      'an answer must be like {"detected": 2, "matched": 1}',
    ],
  ])("and is wrong (%s) leaves the camera watched and says why", async (name, text, message) => {
    const queue = new FrameQueue(await openModule(name, text));
    queue.push(frame(0));
    await waitFor(() => {
      const { error } = queue.take();
      return error.startsWith(`Analyser ${name} failed: `) && error.includes(message);
    });
  });
});
