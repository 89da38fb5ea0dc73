/** A folder that looks like the root of a host with cgroups. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeTempDir } from "../support/temp-dir.ts";

/** @param files texts by path. */
export function makeHost(files: Readonly<Record<string, string>>): string {
  const root = makeTempDir("host");
  write(root, files);
  return root;
}

export function write(root: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** 16 GiB, of which half could be had. */
export const MEMINFO = {
  "proc/meminfo": "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\n",
};

export const UNIFIED = {
  ...MEMINFO,
  "proc/self/cgroup": "0::/system.slice/runbeat.service\n",
  "proc/self/mountinfo":
    "25 1 0:22 / /sys rw shared:2 - sysfs sysfs rw\n" +
    "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
};
