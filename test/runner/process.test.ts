import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import {
  isGroupAlive,
  isProcessAlive,
  isProcessStopped,
  kernelIdentityOf,
  ownStartedAt,
  parseProcessStat,
  readProcessStat,
  startedAtOf,
} from "../../lib/runner/process-identity.ts";
import { createUsageMeter } from "../../lib/runner/process-usage.ts";
import { waitFor } from "../support/wait-for.ts";

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) {
    try {
      process.kill(-(child.pid ?? 0), "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
});

function start(script: string): number {
  const child = spawn("/bin/sh", ["-c", script], { detached: true, stdio: "ignore" });
  children.push(child);
  return child.pid ?? 0;
}

describe("the identity of a process", () => {
  it("is read from behind the last bracket, whatever the command is called", () => {
    const rest = "S 1 4711 4711 0 -1 4194560 1 2 3 4 50 25 0 0 20 0 1 0 235034 3133440 394 0";
    expect(parseProcessStat(`4711 (a) b) (c)) ${rest}`)).toEqual({
      pid: 4711,
      state: "S",
      parentPid: 1,
      groupId: 4711,
      cpuTicks: 75,
      startTicks: 235034,
    });
    expect(parseProcessStat("")).toBeUndefined();
    expect(parseProcessStat("4711 (sh) S")).toBeUndefined();
  });

  it("has a start time that every process of this host computes alike, within a second of ours", () => {
    expect(startedAtOf(process.pid)).toBe(ownStartedAt());
    const pid = start("sleep 100");
    const startedAt = startedAtOf(pid);
    expect(startedAtOf(pid)).toBe(startedAt);
    expect(Math.abs(startedAt - Date.now())).toBeLessThan(2_000);
  });

  it("is unknown for a process that is gone", () => {
    expect(readProcessStat(2 ** 22 + 1)).toBeUndefined();
    expect(startedAtOf(2 ** 22 + 1)).toBe(0);
    expect(kernelIdentityOf(2 ** 22 + 1)).toBeUndefined();
    expect(kernelIdentityOf(process.pid)).toMatchObject({ pid: process.pid });
  });

  it("tells a stopped, a dead and a living process apart, a zombie being dead", async () => {
    const pid = start("sleep 100 & echo $! ; wait");
    await waitFor(() => isProcessAlive(pid));
    process.kill(pid, "SIGSTOP");
    await waitFor(() => isProcessStopped(pid));
    process.kill(pid, "SIGCONT");
    await waitFor(() => !isProcessStopped(pid));
    expect(isProcessAlive(pid)).toBe(true);
    process.kill(-pid, "SIGKILL");
    await waitFor(() => !isProcessAlive(pid));
    // Its parent does nothing but be replaced, so that the child of the child stays a zombie.
    const parent = start("sleep 0 & exec sleep 100");
    const zombie = await waitFor(() => zombieOf(parent));
    expect(process.kill(zombie, 0)).toBe(true);
    expect(isProcessAlive(zombie)).toBe(false);
  });

  it("knows a group as alive as long as any of it lives", async () => {
    const pid = start("sleep 100 & exec sleep 0.05");
    await waitFor(() => !isProcessAlive(pid));
    expect(isGroupAlive(pid)).toBe(true);
    process.kill(-pid, "SIGKILL");
    await waitFor(() => !isGroupAlive(pid));
  });
});

function zombieOf(parent: number): number | undefined {
  for (let pid = parent + 1; pid < parent + 50; pid++) {
    const stat = readProcessStat(pid);
    if (stat?.parentPid === parent && stat.state === "Z") return pid;
  }
  return undefined;
}

describe("the use of a process tree", () => {
  it("counts the processor time and memory of everything below the pid", async () => {
    const pid = start("while :; do :; done & while :; do :; done & wait");
    const measure = createUsageMeter(pid);
    expect(measure()?.cpuPercent).toBeNull();
    const startedAt = performance.now();
    const usage = await waitFor(() => {
      const now = performance.now() - startedAt > 300 ? measure() : undefined;
      return now !== undefined && (now.cpuPercent ?? 0) > 20 ? now : undefined;
    });
    expect(usage.cpuPercent).toBeLessThan(250);
    expect(usage.memoryMb).toBeGreaterThan(0.5);
    expect(usage.memoryMb).toBeLessThan(50);
    process.kill(-pid, "SIGKILL");
    await waitFor(() => measure() === undefined);
  });

  it("is that of the process alone where what is below it counts by itself", async () => {
    const pid = start("sleep 60 & sleep 60 & wait");
    const whole = createUsageMeter(pid);
    const alone = createUsageMeter(pid, { isAlone: true });
    const both = await waitFor(() => {
      const [all, own] = [whole()?.memoryMb ?? 0, alone()?.memoryMb ?? 0];
      return all > own * 1.5 ? { all, own } : undefined;
    });
    expect(both.own).toBeGreaterThan(0);
    process.kill(-pid, "SIGKILL");
  });
});
