/**
 * What the kernel lets this process have: cgroups(7), version 2 and version 1. A limit may stand
 * anywhere between our own group and the root that we see; the tightest one counts.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Version 1 writes "no limit" as a number near 2^63. */
const NO_LIMIT_BYTES = 2 ** 60;

export interface MemoryUse {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export interface CpuQuota {
  /** Cores' worth of time. */
  readonly cores: number;
  /** Time used so far by everything under the quota, ms. */
  readonly usedMs: number;
}

/** The groups of this process; found once, read at each call. */
export interface Cgroup {
  /** Undefined where no group has a limit. Pages that could be dropped do not count as used. */
  memory(): MemoryUse | undefined;
  /** Undefined where no group has a quota. */
  cpu(): CpuQuota | undefined;
}

/** @param root where `/proc` and `/sys` are; "/" but for tests. */
export function openCgroup(root = "/"): Cgroup {
  const memory = groupsOf(root, "memory");
  const cpu = groupsOf(root, "cpu");
  return {
    memory: () => tightest(memory.map(memoryOf), (use) => use.limitBytes),
    cpu: () => tightest(cpu.map(cpuOf), (quota) => quota.cores),
  };
}

interface Group {
  readonly version: 1 | 2;
  readonly folder: string;
}

type Controller = "memory" | "cpu";

/** Our group and those above it, in the hierarchy that has the controller. */
function groupsOf(root: string, controller: Controller): Group[] {
  const lines = linesOf(join(root, "proc/self/cgroup")).map((line) => line.split(":"));
  const old = lines.find(([, names = ""]) => names.split(",").includes(controller));
  const [, , path] = old ?? lines.find(([id, names]) => id === "0" && names === "") ?? [];
  const mount = mountOf(root, old === undefined ? undefined : controller);
  if (path === undefined || mount === undefined) return [];
  const version = old === undefined ? 2 : 1;
  return foldersOf(join(root, mount.point), mount.root, path).map((folder) => ({
    version,
    folder,
  }));
}

interface Mount {
  /** Which group the mount point shows. */
  readonly root: string;
  readonly point: string;
}

/** Finds where a hierarchy is mounted: proc(5), `/proc/PID/mountinfo`. */
function mountOf(root: string, controller: Controller | undefined): Mount | undefined {
  for (const line of linesOf(join(root, "proc/self/mountinfo"))) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , groupRoot = "/", point = "/"] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    const isIt =
      controller === undefined
        ? type === "cgroup2"
        : type === "cgroup" && options.split(",").includes(controller);
    if (isIt) return { root: groupRoot, point };
  }
  return undefined;
}

/** In a container the path may be the host's, which is not to be seen: then the mount point is us. */
function foldersOf(point: string, groupRoot: string, path: string): string[] {
  const isBelow = groupRoot !== "/" && (path === groupRoot || path.startsWith(`${groupRoot}/`));
  const own = join(point, isBelow ? path.slice(groupRoot.length) : path);
  const folders: string[] = [];
  const start = own.startsWith(point) && existsSync(own) ? own : point;
  for (let folder = start; folder.length >= point.length; folder = dirname(folder)) {
    folders.push(folder);
    if (folder === dirname(folder)) break;
  }
  return folders;
}

function memoryOf({ version, folder }: Group): MemoryUse | undefined {
  const isNew = version === 2;
  const limitBytes = numberOf(join(folder, isNew ? "memory.max" : "memory.limit_in_bytes"));
  if (limitBytes === undefined || limitBytes >= NO_LIMIT_BYTES) return undefined;
  const used = numberOf(join(folder, isNew ? "memory.current" : "memory.usage_in_bytes"));
  if (used === undefined) return undefined;
  const droppable = statOf(folder, "memory.stat", isNew ? "inactive_file" : "total_inactive_file");
  return { limitBytes, usedBytes: Math.max(0, used - droppable) };
}

function cpuOf(group: Group): CpuQuota | undefined {
  return group.version === 2 ? newCpuOf(group.folder) : oldCpuOf(group.folder);
}

function newCpuOf(folder: string): CpuQuota | undefined {
  const [quota = "max", period = ""] = textOf(join(folder, "cpu.max")).trim().split(" ");
  const cores = Number(quota) / Number(period);
  if (!(cores > 0)) return undefined;
  return { cores, usedMs: statOf(folder, "cpu.stat", "usage_usec") / 1_000 };
}

function oldCpuOf(folder: string): CpuQuota | undefined {
  const quota = numberOf(join(folder, "cpu.cfs_quota_us"));
  const period = numberOf(join(folder, "cpu.cfs_period_us"));
  if (quota === undefined || period === undefined || quota <= 0) return undefined;
  // Mounted together with `cpu` on every distribution that still has version 1.
  const used = numberOf(join(folder, "cpuacct.usage"));
  return used === undefined ? undefined : { cores: quota / period, usedMs: used / 1e6 };
}

function tightest<T>(found: readonly (T | undefined)[], size: (one: T) => number): T | undefined {
  let least: T | undefined;
  for (const one of found) {
    if (one !== undefined && (least === undefined || size(one) < size(least))) least = one;
  }
  return least;
}

function statOf(folder: string, file: string, name: string): number {
  const line = linesOf(join(folder, file)).find((text) => text.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** Undefined for `max`, and where there is no such file. */
function numberOf(file: string): number | undefined {
  const text = textOf(file).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}

function linesOf(file: string): string[] {
  return textOf(file).split("\n");
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
