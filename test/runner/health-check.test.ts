import { chmodSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { judgePercent, percentMessage } from "../../lib/core/health-checks.ts";
import type { CheckName, CheckResult, Severity } from "../../lib/core/health-checks.ts";
import { startHealthChecks } from "../../lib/runner/health-check.ts";
import type { HealthChecker, HealthCheckOptions } from "../../lib/runner/health-check.ts";
import {
  checkCpu,
  checkDisk,
  checkFiles,
  checkMemory,
  checkNetwork,
} from "../../lib/runner/health-check-list.ts";
import type { Check, Finding } from "../../lib/runner/health-check-list.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { UNIFIED, makeHost, write } from "./fake-host.ts";

/** Too long for a name: it is known without asking anybody that there is none such. */
const NO_NAME = `${"x".repeat(64)}.invalid`;
const DISK = { warn: 85, error: 95 };
const NONE_OVER = { warn: 101, error: null };

describe("a percentage is judged", () => {
  it.each<[percent: number, before: Severity, Severity]>([
    [84.9, "unknown", "ok"],
    [85, "ok", "warning"],
    [84, "warning", "warning"],
    [82.9, "warning", "ok"],
    [95, "ok", "error"],
    [94, "error", "error"],
    [92.9, "error", "warning"],
    [84, "error", "warning"],
    [10, "error", "ok"],
  ])("%d%% after %s is %s", (percent, before, expected) => {
    expect(judgePercent(percent, DISK, before)).toBe(expected);
  });

  it("as a warning at most where there is no error limit", () => {
    expect(judgePercent(100, { warn: 90, error: null }, "ok")).toBe("warning");
  });

  it("with the limit in its message where it is above it", () => {
    expect(percentMessage("Disk", 97.2, DISK, "error")).toBe("Disk 97% used, limit 95%");
    expect(percentMessage("Disk", 61.6, DISK, "ok")).toBe("Disk 62% used");
  });
});

describe("the checks of a host", () => {
  it("measure the disk of a folder, and say what is wrong where there is none", async () => {
    const found = await checkDisk(makeTempDir("disk"), NONE_OVER)("unknown");
    expect(found).toMatchObject({ severity: "ok", message: expect.stringMatching(/^Disk \d+% u/) });
    expect(found.value).toBeGreaterThanOrEqual(0);
    expect(await checkDisk("/no/such/folder", DISK)("ok")).toMatchObject({
      severity: "error",
      message: "The disk of /no/such/folder can't be looked at (ENOENT)",
    });
  });

  it("judge the memory of the container that they run in", async () => {
    const own = "sys/fs/cgroup/system.slice/runbeat.service";
    const root = makeHost({
      ...UNIFIED,
      [`${own}/memory.max`]: "1000000",
      [`${own}/memory.current`]: "850000",
    });
    expect(await checkMemory({ warn: 80, error: 90 }, root)("ok")).toEqual({
      severity: "warning",
      message: "Memory 85% used, limit 80%",
      value: 85,
    });
  });

  it("know of the processor only at the second look", async () => {
    const root = makeHost({ ...UNIFIED, "proc/stat": "cpu  0 0 0 100 0 0 0 0\n" });
    const check = checkCpu({ warn: 90, error: null }, root);
    expect(await check("unknown")).toMatchObject({ severity: "unknown", value: null });
    write(root, { "proc/stat": "cpu  95 0 0 105 0 0 0 0\n" });
    expect(await check("unknown")).toMatchObject({
      severity: "warning",
      message: "CPU 95% used, limit 90%",
    });
  });

  it("take a port that answers, and one that refuses, for a network that works", async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const place = `127.0.0.1:${(server.address() as { port: number }).port}`;
    expect(await checkNetwork([place])("ok")).toMatchObject({ severity: "ok" });
    await new Promise((resolve) => server.close(resolve));
    expect(await checkNetwork([place])("ok")).toMatchObject({ severity: "ok" });
  });

  it("look a name up, and say which could not be found", async () => {
    expect(await checkNetwork(["localhost"])("ok")).toMatchObject({ severity: "ok" });
    expect(await checkNetwork([NO_NAME])("ok")).toMatchObject({
      severity: "error",
      message: `Network fails: ${NO_NAME} (ENOTFOUND)`,
    });
  });

  it("are content with one place of several, and with loopback where none is named", async () => {
    expect(await checkNetwork([NO_NAME, "localhost"])("ok")).toMatchObject({
      message: "Network works",
    });
    expect(await checkNetwork([])("ok")).toMatchObject({ severity: "ok" });
  });

  it("find a folder that can't be written by writing", async () => {
    const folder = makeTempDir("files");
    expect(await checkFiles(folder)("ok")).toMatchObject({ severity: "ok" });
    const gone = join(folder, "gone");
    expect(await checkFiles(gone)("ok")).toMatchObject({
      severity: "error",
      message: `${gone} can't be written (ENOENT)`,
    });
  });
});

const checkers: HealthChecker[] = [];

afterEach(async () => {
  await Promise.all(checkers.splice(0).map((checker) => checker.stop()));
});

/** A checker whose one check finds what is put into `next`. */
function start(options: Partial<HealthCheckOptions> = {}, first: Severity = "ok") {
  const next: { finding: Finding | Promise<Finding> } = { finding: finding(first) };
  const changes: CheckResult[] = [];
  let looks = 0;
  const check: Check = async () => {
    looks++;
    return await next.finding;
  };
  const checker = startHealthChecks({
    dataDir: "/nowhere",
    list: new Map<CheckName, Check>([["disk_space", check]]),
    everySec: 3_600,
    onChange: (result) => changes.push(result),
    ...options,
  });
  checkers.push(checker);
  return { checker, next, changes, looks: () => looks };
}

function finding(severity: Severity): Finding {
  return { severity, message: `it is ${severity}`, value: 1 };
}

describe("a health checker", () => {
  it("tells each change once, and nothing where all is well from the start", async () => {
    const { checker, next, changes } = start();
    for (const severity of ["ok", "ok", "warning", "warning", "error", "ok"] as const) {
      next.finding = finding(severity);
      await checker.look();
    }
    expect(changes.map(({ severity, ok }) => [severity, ok])).toEqual([
      ["warning", false],
      ["error", false],
      ["ok", true],
    ]);
    expect(changes[0]).toMatchObject({ check: "disk_space", message: "it is warning", value: 1 });
  });

  it("tells of a fault that was there at the first look", async () => {
    const { checker, changes } = start({}, "error");
    await checker.look();
    expect(changes).toHaveLength(1);
    expect(checker.checks()).toEqual({ disk_space: false });
  });

  it("says nothing of what it can't know", async () => {
    const { checker, changes } = start({}, "unknown");
    await checker.look();
    expect(checker.checks()).toEqual({});
    expect(changes).toEqual([]);
  });

  it("keeps the last 1,000 results", async () => {
    const { checker } = start();
    for (let i = 0; i < 1_010; i++) await checker.look();
    expect(checker.results()).toHaveLength(1_000);
    expect(checker.latest()).toHaveLength(1);
  });

  it("goes on where the callback throws", async () => {
    const onChange = () => {
      throw new Error("of the host");
    };
    const { checker } = start({ onChange }, "error");
    await checker.look();
    expect(checker.checks()).toEqual({ disk_space: false });
  });

  it("takes a check that hangs for an error, and starts no second one beside it", async () => {
    const { checker, next, looks } = start({ lateMs: 20 });
    await checker.look();
    const before = looks();
    let answer: (finding: Finding) => void = () => {};
    next.finding = new Promise((resolve) => {
      answer = resolve;
    });
    await checker.look();
    await checker.look();
    expect(looks()).toBe(before + 1);
    expect(checker.latest()).toMatchObject([
      { severity: "error", message: "No answer within 0.02 s" },
    ]);
    answer(finding("ok"));
    await waitFor(async () => {
      await checker.look();
      return checker.checks()["disk_space"];
    });
  });

  it("looks again and again until it is stopped", async () => {
    const { checker, looks } = start({ everySec: 0.02 });
    await waitFor(() => looks() >= 4);
    await checker.stop();
    const after = looks();
    await checker.look();
    expect(checker.results().length).toBeLessThanOrEqual(after);
  });

  it("looks at the real host by itself", async () => {
    const dataDir = makeTempDir("data");
    const checker = startHealthChecks({ dataDir });
    checkers.push(checker);
    await checker.look();
    expect(checker.latest().map(({ check }) => check)).toEqual(
      expect.arrayContaining(["disk_space", "memory", "network", "file_permissions"]),
    );
    expect(checker.checks()).toMatchObject({ network: true, file_permissions: true });
    chmodSync(dataDir, 0o700);
    rmSync(dataDir, { recursive: true });
    await checker.look();
    expect(checker.checks()).toMatchObject({ disk_space: false, file_permissions: false });
  });
});
