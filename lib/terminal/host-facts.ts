/** How this host is: processor, memory, disk. */
import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { cpus, freemem, hostname, totalmem } from "node:os";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface HostFacts {
  readonly name: string;
  /** Of all cores together, over the time that was measured. */
  readonly cpuPercent: number;
  readonly memoryPercent: number;
  readonly memoryFreeBytes: number;
  /** Of the file system of the data folder; null where it can't be asked. */
  readonly disk: { readonly percent: number; readonly freeBytes: number } | null;
}

const SAMPLE_MS = 150;

/** Looks at the processor for a moment. @param folder on the disk that is asked about. */
export async function hostFacts(folder: string): Promise<HostFacts> {
  const before = cpuTimes();
  const [disk] = await Promise.all([diskFacts(folder), delay(SAMPLE_MS)]);
  const after = cpuTimes();
  const spent = after.all - before.all;
  return {
    name: hostname(),
    cpuPercent: spent > 0 ? (100 * (after.busy - before.busy)) / spent : 0,
    memoryPercent: 100 * (1 - freemem() / totalmem()),
    memoryFreeBytes: freemem(),
    disk,
  };
}

function cpuTimes(): { busy: number; all: number } {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used;
    all += used + times.idle;
  }
  return { busy, all };
}

async function diskFacts(folder: string): Promise<HostFacts["disk"]> {
  try {
    const { bsize, blocks, bavail } = await statfs(nearestExisting(folder));
    if (blocks === 0) return null;
    return { percent: 100 * (1 - bavail / blocks), freeBytes: bavail * bsize };
  } catch {
    return null;
  }
}

/** The data folder may not be there yet. */
function nearestExisting(folder: string): string {
  let place = folder;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  return place;
}
