/** What looks after the resources of one process and of the cameras in it. */
import { openGpuMemory } from "../lib/runner/gpu-memory.ts";
import type { GpuMemory } from "../lib/runner/gpu-memory.ts";
import { openHostMeter } from "../lib/runner/host-usage.ts";
import type { HostMeter } from "../lib/runner/host-usage.ts";
import { startResourceGuard } from "../lib/runner/resource-guard.ts";
import type { ResourceGuard } from "../lib/runner/resource-guard.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import type { Context } from "./context.ts";

/** One is enough for all cameras of a process. */
export interface ResourceCare {
  readonly guard: ResourceGuard;
  readonly host: HostMeter;
  /** Undefined where it is not to be told. */
  readonly gpu: GpuMemory | undefined;
  stop(): Promise<void>;
}

export function openResourceCare(context: Context): ResourceCare {
  const { resources } = context.settings;
  const host = openHostMeter();
  const guard = startResourceGuard({ limits: resources, everySec: resources.checkEverySec, host });
  const gpu = openGpu(context);
  return {
    guard,
    host,
    gpu,
    stop: async () => {
      guard.stop();
      await gpu?.stop();
    },
  };
}

/** Undefined where it is not wanted. */
export function openGpu({ settings, environment: env }: Context): GpuMemory | undefined {
  if (!settings.resources.gpu) return undefined;
  return openGpuMemory({ spawn: spawnGroup, path: env["PATH"] ?? "", env });
}
