import type { HeartbeatBody } from "../core/heartbeat-schema.ts";
import type { ProcessUsage } from "./process-usage.ts";

/** The heartbeat's `resources` for a process tree; empty where it could not be measured. */
export function usageFields(usage: ProcessUsage | undefined): HeartbeatBody["resources"] {
  if (usage === undefined) return {};
  const { cpuPercent, memoryMb, memoryPercent, vramMb } = usage;
  return {
    ...(cpuPercent === null ? {} : { cpu_percent: rounded(cpuPercent) }),
    memory_mb: rounded(memoryMb),
    memory_percent: rounded(memoryPercent),
    ...(vramMb === null ? {} : { vram_mb: rounded(vramMb) }),
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
