/** How much of what it may have this host, or this container, uses. */
import { readFileSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { join } from "node:path";
import { openCgroup } from "./cgroup.ts";
import type { MemoryUse } from "./cgroup.ts";

export type { MemoryUse } from "./cgroup.ts";

/** Looks at memory and processor of the container where it is limited, else of the host. */
export interface HostMeter {
  /** What is used, and the limit that applies. */
  memory(): MemoryUse;
  /** Percent of the time that may be used, since the call before; null at the first. */
  cpuPercent(): number | null;
}

/**
 * @param root where `/proc` and `/sys` are; "/" but for tests.
 * @param nowMs a monotonic clock in ms.
 */
export function openHostMeter(
  root = "/",
  nowMs: () => number = () => performance.now(),
): HostMeter {
  const cgroup = openCgroup(root);
  let before: CpuTime | undefined;
  return {
    memory() {
      const host = hostMemory(root);
      const group = cgroup.memory();
      return group !== undefined && group.limitBytes < host.limitBytes ? group : host;
    },
    cpuPercent() {
      const quota = cgroup.cpu();
      const now =
        quota === undefined || quota.cores >= availableParallelism()
          ? hostCpu(root)
          : { of: "cgroup", usedMs: quota.usedMs, totalMs: nowMs() * quota.cores };
      const percent = percentBetween(before, now);
      before = now;
      return percent;
    },
  };
}

interface CpuTime {
  /** A quota may come and go: what was measured of another thing says nothing. */
  readonly of: string;
  readonly usedMs: number;
  readonly totalMs: number;
}

function percentBetween(before: CpuTime | undefined, now: CpuTime | undefined): number | null {
  if (before === undefined || now === undefined || before.of !== now.of) return null;
  const totalMs = now.totalMs - before.totalMs;
  if (totalMs <= 0) return null;
  return Math.min(100, Math.max(0, ((now.usedMs - before.usedMs) / totalMs) * 100));
}

/** Source: proc(5), `/proc/meminfo`. What can be had without swapping counts as free. */
function hostMemory(root: string): MemoryUse {
  const text = textOf(join(root, "proc/meminfo"));
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]);
  const limitBytes = kb("MemTotal") * 1_024;
  const usedBytes = limitBytes - kb("MemAvailable") * 1_024;
  if (usedBytes >= 0) return { limitBytes, usedBytes };
  return { limitBytes: totalmem(), usedBytes: totalmem() - freemem() };
}

/** Source: proc(5), `/proc/stat`: user nice system idle iowait irq softirq steal, in ticks of 10 ms. */
function hostCpu(root: string): CpuTime | undefined {
  const line = /^cpu +(.*)$/m.exec(textOf(join(root, "proc/stat")))?.[1];
  if (line === undefined) return undefined;
  const ticks = line.split(" ").slice(0, 8).map(Number);
  const totalMs = ticks.reduce((sum, one) => sum + one, 0) * 10;
  const idleMs = ((ticks[3] ?? 0) + (ticks[4] ?? 0)) * 10;
  return { of: "host", usedMs: totalMs - idleMs, totalMs };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
