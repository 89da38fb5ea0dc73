/** What a process and everything below it use of the host, from /proc. */
import { readFileSync, readdirSync } from "node:fs";
import type { GpuMemory } from "./gpu-memory.ts";
import { openHostMeter } from "./host-usage.ts";
import type { HostMeter } from "./host-usage.ts";
import { readProcessStat } from "./process-identity.ts";

const TICKS_PER_SECOND = 100;
/** A tree larger than this is counted in part: a fork bomb must not take the observer with it. */
const MAX_TREE = 512;

/** Use of one process tree. */
export interface ProcessUsage {
  /** Of one core, since the sample before; null at the first sample. */
  readonly cpuPercent: number | null;
  /** Resident memory, MiB; pages that two processes share count twice. */
  readonly memoryMb: number;
  /** That memory, of the limit that applies: the container's, or else the host's. */
  readonly memoryPercent: number;
  /** Of NVIDIA GPUs, MiB; null where none is used, or nobody looks. */
  readonly vramMb: number | null;
}

/** Samples the tree below a pid; undefined when it is gone or this is not Linux. */
export type UsageMeter = () => ProcessUsage | undefined;

export interface UsageMeterOptions {
  /** Leaves out what the process has started: for one whose children are counted by themselves. */
  readonly isAlone?: boolean;
  /** Where the memory of GPUs is to be told too. */
  readonly gpu?: GpuMemory;
  readonly host?: HostMeter;
  /** A monotonic clock in ms. */
  readonly nowMs?: () => number;
}

/** Makes a meter whose CPU figure covers the time between two calls. */
export function createUsageMeter(rootPid: number, options: UsageMeterOptions = {}): UsageMeter {
  const { gpu, host = openHostMeter(), nowMs = () => performance.now() } = options;
  const maxProcesses = options.isAlone === true ? 1 : MAX_TREE;
  let ticksBefore = new Map<string, number>();
  let timeBefore: number | undefined;
  return () => {
    const tree = processTree(rootPid, maxProcesses);
    if (tree.length === 0) return undefined;
    const now = nowMs();
    const { ticks, used } = countTicks(tree, ticksBefore);
    const elapsedSec = timeBefore === undefined ? 0 : (now - timeBefore) / 1000;
    const cpuPercent = elapsedSec > 0 ? (used / TICKS_PER_SECOND / elapsedSec) * 100 : null;
    ticksBefore = ticks;
    timeBefore = now;
    const memoryMb = memoryKb(tree) / 1024;
    const memoryPercent = ((memoryMb * 2 ** 20) / host.memory().limitBytes) * 100;
    return { cpuPercent, memoryMb, memoryPercent, vramMb: gpu?.usedMb(tree) ?? null };
  };
}

/** Ticks used since the sample before; a process that is new since then counts whole. */
function countTicks(
  tree: readonly number[],
  before: ReadonlyMap<string, number>,
): { ticks: Map<string, number>; used: number } {
  const ticks = new Map<string, number>();
  let used = 0;
  for (const pid of tree) {
    const stat = readProcessStat(pid);
    if (stat === undefined) continue;
    const key = `${pid}:${stat.startTicks}`;
    ticks.set(key, stat.cpuTicks);
    used += Math.max(0, stat.cpuTicks - (before.get(key) ?? 0));
  }
  return { ticks, used };
}

function memoryKb(tree: readonly number[]): number {
  return tree.reduce((sum, pid) => sum + residentKb(pid), 0);
}

function residentKb(pid: number): number {
  try {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return match === null ? 0 : Number(match[1]);
  } catch {
    return 0;
  }
}

/** The pid and its descendants; empty when it is gone. */
function processTree(rootPid: number, maxProcesses: number): number[] {
  if (readProcessStat(rootPid) === undefined) return [];
  const tree = [rootPid];
  for (let at = 0; at < tree.length && tree.length < maxProcesses; at++) {
    tree.push(...childrenOf(tree[at] ?? 0));
  }
  return tree;
}

/** `/proc/PID/task/TID/children` lists what each thread forked; absent in kernels without it. */
function childrenOf(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1");
      for (const child of text.split(" ")) if (child !== "") children.push(Number(child));
    }
  } catch {
    // It ended while it was looked at; what was found of it counts.
  }
  return children;
}
