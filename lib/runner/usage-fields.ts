import { totalmem } from "node:os";
import type { HeartbeatBody } from "../core/heartbeat.ts";
import type { ProcessUsage } from "./process-usage.ts";

/** The heartbeat's `resources` for a process tree; empty where it could not be measured. */
export function usageFields(usage: ProcessUsage | undefined): HeartbeatBody["resources"] {
  if (usage === undefined) return {};
  const memoryMb = Math.round(usage.memoryMb * 10) / 10;
  const ofTotal = (usage.memoryMb * 2 ** 20) / totalmem();
  return {
    ...(usage.cpuPercent === null ? {} : { cpu_percent: Math.round(usage.cpuPercent * 10) / 10 }),
    memory_mb: memoryMb,
    memory_percent: Math.round(ofTotal * 1000) / 10,
  };
}
