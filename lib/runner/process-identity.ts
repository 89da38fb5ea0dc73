/**
 * Which process a pid is: proc(5). A pid alone is reused; pid, kernel start time and boot id
 * together are not.
 */
import { readFileSync, readdirSync } from "node:fs";
import type { KernelIdentity } from "../core/host-processes.ts";

export type { KernelIdentity } from "../core/host-processes.ts";

/** Clock ticks a second in /proc; fixed for user space on every Linux architecture. */
const TICKS_PER_SECOND = 100;

/** What Runbeat reads of `/proc/PID/stat`. */
export interface ProcessStat {
  readonly pid: number;
  /** `R`, `S`, `D`, `T` (stopped), `t` (traced), `Z` (dead, not yet reaped), `X`. */
  readonly state: string;
  readonly parentPid: number;
  readonly groupId: number;
  /** User and system time used, in ticks. */
  readonly cpuTicks: number;
  /** Start after boot, in ticks. */
  readonly startTicks: number;
}

/**
 * Parses `/proc/PID/stat`. The command may hold spaces and brackets, so fields are counted from
 * the last `)`.
 */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const end = text.lastIndexOf(")");
  if (end < 0) return undefined;
  const fields = text.slice(end + 2).split(" ");
  const number = (index: number) => Number(fields[index] ?? Number.NaN);
  const stat = {
    pid: Number.parseInt(text, 10),
    state: fields[0] ?? "",
    parentPid: number(1),
    groupId: number(2),
    cpuTicks: number(11) + number(12),
    startTicks: number(19),
  };
  return Number.isNaN(stat.pid + stat.cpuTicks + stat.startTicks) ? undefined : stat;
}

/** The process as the kernel sees it now; undefined when it is gone or this is not Linux. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  return parseProcessStat(readText(`/proc/${pid}/stat`));
}

/** Whether the process runs: a zombie is dead although signal 0 reaches it. */
export function isProcessAlive(pid: number): boolean {
  const stat = readProcessStat(pid);
  if (stat !== undefined) return isLiving(stat);
  return readText("/proc/self/stat") === "" && reachesSignal(pid);
}

/** Whether the process is stopped (state T), as by SIGSTOP or a debugger. */
export function isProcessStopped(pid: number): boolean {
  const state = readProcessStat(pid)?.state;
  return state === "T" || state === "t";
}

/** Whether any living process belongs to the group. */
export function isGroupAlive(groupId: number): boolean {
  if (!reachesSignal(-groupId)) return false;
  const leader = readProcessStat(groupId);
  if (leader?.groupId === groupId && isLiving(leader)) return true;
  const stats = readAllStats();
  if (stats.length === 0) return true;
  return stats.some((stat) => stat.groupId === groupId && isLiving(stat));
}

/**
 * When the process started, epoch ms: the same number wherever it is computed on this host.
 * 0 where it can't be told.
 */
export function startedAtOf(pid: number): number {
  const stat = readProcessStat(pid);
  const bootedAt = bootTimeMs();
  if (stat === undefined || bootedAt === undefined) return 0;
  return bootedAt + Math.round((stat.startTicks * 1000) / TICKS_PER_SECOND);
}

/** When this very process started, epoch ms; on every system. */
export function ownStartedAt(): number {
  return startedAtOf(process.pid) || Math.trunc(performance.timeOrigin);
}

/** pid, start time and boot of a process; undefined when it is gone or this is not Linux. */
export function kernelIdentityOf(pid: number): KernelIdentity | undefined {
  const stat = readProcessStat(pid);
  const boot = bootId();
  if (stat === undefined || boot === "") return undefined;
  return { pid, startTicks: stat.startTicks, bootId: boot };
}

/** Names this boot of the host; "" where this is not Linux. */
export function bootId(): string {
  return readText("/proc/sys/kernel/random/boot_id").trim();
}

/** Every process of this host that is not dead; empty where there is no /proc. */
export function livingProcesses(): ProcessStat[] {
  return readAllStats().filter(isLiving);
}

/** Every process of this host; empty where there is no /proc. */
function readAllStats(): ProcessStat[] {
  const stats: ProcessStat[] = [];
  for (const name of listDirectory("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = parseProcessStat(readText(`/proc/${name}/stat`));
    if (stat !== undefined) stats.push(stat);
  }
  return stats;
}

function isLiving(stat: ProcessStat): boolean {
  return stat.state !== "Z" && stat.state !== "X";
}

/** Epoch ms of the boot, from `/proc/stat`; whole seconds. */
function bootTimeMs(): number | undefined {
  const match = /^btime (\d+)$/m.exec(readText("/proc/stat"));
  return match === null ? undefined : Number(match[1]) * 1000;
}

function reachesSignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** A file's text, or "" where it can't be read: processes vanish at any moment. */
function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
