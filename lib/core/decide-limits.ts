/** Limits of memory, processor time and VRAM: exceeded without a pause for some time. */
import type { EventData } from "./event.ts";
import type { LimitsEntry } from "./fleet.ts";
import type { BeatsSeen } from "./observed.ts";

export interface Excess {
  readonly event: EventData<"limit_exceeded">;
  /** For people, e.g. `memory_mb at 612, limit 512, for 30 s`. */
  readonly reason: string;
}

export interface LimitsAnswer {
  /** Since when each limit is exceeded. */
  readonly over: Record<string, number>;
  /** The first one that was exceeded for long enough. */
  readonly excess: Excess | undefined;
  /** When the next one would be; null where none is exceeded. */
  readonly dueAt: number | null;
}

/** A figure that is not known exceeds nothing. */
export function checkLimits(
  limits: LimitsEntry | undefined,
  beats: BeatsSeen,
  before: Readonly<Record<string, number>>,
  now: number,
): LimitsAnswer {
  const over: Record<string, number> = {};
  if (limits === undefined) return { over, excess: undefined, dueAt: null };
  const forMs = limits.forSec * 1000;
  let excess: Excess | undefined;
  let dueAt: number | null = null;
  for (const [limit, value, max] of [
    ["memory_mb", beats.memoryMb, limits.memoryMb],
    ["cpu_percent", beats.cpuPercent, limits.cpuPercent],
    ["vram_mb", beats.vramMb, limits.vramMb],
  ] as const) {
    if (value === null || max === undefined || value <= max) continue;
    const since = Math.min(before[limit] ?? now, now);
    over[limit] = since;
    if (now - since < forMs) dueAt = Math.min(dueAt ?? Infinity, since + forMs);
    else excess ??= excessOf(limit, value, max, Math.round((now - since) / 1000));
  }
  return { over, excess, dueAt };
}

function excessOf(limit: string, value: number, max: number, forSec: number): Excess {
  const reason = `${limit} at ${Math.round(value)}, limit ${max}, for ${forSec} s`;
  return { event: { limit, value, max, for_sec: forSec }, reason };
}
