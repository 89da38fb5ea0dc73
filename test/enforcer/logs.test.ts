import { appendFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import { OutputFollower } from "../../lib/enforcer/output-follower.ts";
import { runFiles } from "../../lib/enforcer/run-files.ts";
import { runbeat } from "../runner/runbeat-process.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const ID = parseRunnerId("process/bidder/default");
const FIRST = Date.UTC(2026, 0, 1);
const SECOND = FIRST + 60_000;
const TIME = "2026-01-01T00:00:01.000Z";

/** Writes a run's output as a run does. */
function writeLog(dataDir: string, run: number, lines: readonly string[], id = ID): string {
  const { log } = runFiles(join(dataDir, "runs"), id, run);
  mkdirSync(dirname(log), { recursive: true });
  appendFileSync(log, lines.map((line) => `${line}\n`).join(""));
  return log;
}

async function logs(dataDir: string, ...args: string[]) {
  return await runbeat(["logs", "--data-dir", dataDir, ...args]);
}

describe("runbeat logs", () => {
  it("shows the last lines of the newest run, and of an earlier one", async () => {
    const dataDir = makeTempDir("logs");
    writeLog(dataDir, FIRST, [`${TIME} out of the first`]);
    writeLog(
      dataDir,
      SECOND,
      [1, 2, 3].map((i) => `${TIME} err line ${i}`),
    );
    const newest = await logs(dataDir, ID, "--lines", "2");
    expect(await newest.ended).toEqual({ code: 0, signal: null });
    expect(newest.output().stdout).toBe(`${TIME} line 2\n${TIME} line 3\n`);
    const earlier = await logs(dataDir, "bidder/default", "--run", "2", "--json");
    await earlier.ended;
    expect(JSON.parse(earlier.output().stdout)).toEqual({
      runner: ID,
      run: "2026-01-01T00:00:00.000Z",
      time: TIME,
      source: "out",
      text: "of the first",
    });
  });

  it("follows the output over a restart of the runner, and shows no password", async () => {
    const dataDir = makeTempDir("logs");
    writeLog(dataDir, FIRST, [`${TIME} out one`]);
    const following = await logs(dataDir, ID, "-f");
    await waitFor(() => following.output().stdout.includes("one"));
    writeLog(dataDir, FIRST, [`${TIME} out two`, "Error: rtsp://me:s3cret@cam is gone"]);
    writeLog(dataDir, SECOND, [`${TIME} out three`]);
    await waitFor(() => following.output().stdout.includes("three"));
    following.child.kill("SIGTERM");
    expect((await following.ended).code).toBe(0);
    expect(following.output().stdout).toBe(
      `${TIME} one\n${TIME} two\nError: rtsp://***@cam is gone\n${TIME} three\n`,
    );
  });

  it.each([
    ["process/other/default", /no output on this host; what has: process\/bidder\/default, worker/],
    ["default", /default may be process\/bidder\/default or worker\/bidder\/default: write which/],
  ])("says which runners have output: %s", async (id, message) => {
    const dataDir = makeTempDir("logs");
    writeLog(dataDir, FIRST, [`${TIME} out one`]);
    writeLog(dataDir, FIRST, [`${TIME} out one`], parseRunnerId("worker/bidder/default"));
    const asked = await logs(dataDir, id);
    expect((await asked.ended).code).toBe(1);
    expect(asked.output().stderr).toMatch(message);
  });

  it("says that there is nothing yet, and that there are not so many runs", async () => {
    const dataDir = makeTempDir("logs");
    const empty = await logs(dataDir, ID);
    expect((await empty.ended).code).toBe(1);
    expect(empty.output().stderr).toMatch(/^runbeat: No runner has written anything below /);
    writeLog(dataDir, FIRST, [`${TIME} out one`]);
    const few = await logs(dataDir, ID, "--run", "3");
    expect((await few.ended).code).toBe(1);
    expect(few.output().stderr).toMatch(/has 1 runs here: --run takes 1 to 1/);
  });
});

describe("an output follower", () => {
  it("misses nothing when the file is set aside, nor half a line, nor half a character", () => {
    const dataDir = makeTempDir("logs");
    const log = writeLog(dataDir, FIRST, [`${TIME} out one`]);
    const follower = new OutputFollower(join(dataDir, "runs"), ID, FIRST);
    const texts = (lines: readonly { readonly text: string }[]) => lines.map(({ text }) => text);
    expect(texts(follower.last(10))).toEqual(["one"]);
    const bytes = Buffer.from(`${TIME} out größer\n`);
    appendFileSync(log, bytes.subarray(0, 31));
    expect(follower.next()).toEqual([]);
    appendFileSync(log, bytes.subarray(31));
    appendFileSync(log, `${TIME} out before\n`);
    renameSync(log, `${log}.1`);
    writeFileSync(log, `${TIME} out after\n`);
    expect(texts(follower.next())).toEqual(["größer", "before", "after"]);
    expect(follower.next()).toEqual([]);
    follower.close();
    const late = new OutputFollower(join(dataDir, "runs"), ID, FIRST);
    expect(texts(late.last(3))).toEqual(["größer", "before", "after"]);
    expect(late.last(0)).toEqual([]);
    late.close();
  });
});
