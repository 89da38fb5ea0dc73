import { readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { parseReport } from "../../lib/core/supervision.ts";
import { openReportFile } from "../../lib/runner/report-file.ts";
import { openRunLog } from "../../lib/runner/run-log.ts";
import { makeTempDir } from "../support/temp-dir.ts";

describe("the output of a run", () => {
  it("is kept with time and source, bounded, the newest", () => {
    const path = join(makeTempDir("output"), "deep", "run.log");
    const log = openRunLog(path, () => {});
    for (let i = 0; i < 60_000; i++) log.write("out", `line ${i} ${"x".repeat(40)}`);
    log.write("err", "last words");
    log.close();
    expect(statSync(path).size + statSync(`${path}.1`).size).toBeLessThan(2.3 * 2 ** 20);
    expect(readFileSync(path, "utf8")).toMatch(
      /\n\S+Z out line 59999 x+\n\d{4}-\S+Z err last words\n$/,
    );
  });

  it("takes what comes while the disk is full, says so once, and goes on when there is room", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const path = join(makeTempDir("output"), "run.log");
    symlinkSync("/dev/full", path);
    const errors: Error[] = [];
    const log = openRunLog(path, (error) => errors.push(error));
    for (let i = 0; i < 10_000; i++) log.write("out", "x".repeat(100));
    log.close();
    expect(errors).toHaveLength(1);
    expect(errors[0]?.message).toMatch(/ENOSPC/);
    rmSync(path);
    vi.advanceTimersByTime(10_000);
    log.write("out", "room again");
    log.close();
    vi.useRealTimers();
    expect(readFileSync(path, "utf8")).toMatch(
      /err runbeat: 10000 lines before this could not be kept\n\S+ out room again\n$/,
    );
  });
});

describe("the reports of a run", () => {
  it("are kept until the disk has room again", () => {
    vi.useFakeTimers();
    const folder = makeTempDir("reports");
    const path = join(folder, "run.ndjson");
    symlinkSync("/dev/full", path);
    const errors: Error[] = [];
    const file = openReportFile(path, (error) => errors.push(error));
    file.report({ event: "failed", message: "at rtsp://me:s3cret@cam" });
    file.report({ event: "adopted" });
    expect(errors).toHaveLength(1);
    rmSync(path);
    vi.advanceTimersByTime(2_000);
    vi.useRealTimers();
    const lines = readFileSync(path, "utf8").trim().split("\n");
    expect(lines.map((line) => parseReport(line))).toMatchObject([
      { seq: 1, report: { event: "failed", message: "at rtsp://***@cam" } },
      { seq: 2, report: { event: "adopted" } },
    ]);
    file.close();
  });
});
