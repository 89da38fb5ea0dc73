/** What looks after the resources of one process and of the cameras in it. */
import type { CheckResult } from "../lib/core/health-checks.ts";
import type { HealthChecker } from "../lib/runner/health-check.ts";
import { openGpuMemory } from "../lib/runner/gpu-memory.ts";
import type { GpuMemory } from "../lib/runner/gpu-memory.ts";
import { openHostMeter } from "../lib/runner/host-usage.ts";
import type { HostMeter } from "../lib/runner/host-usage.ts";
import { startResourceGuard } from "../lib/runner/resource-guard.ts";
import type { ResourceGuard } from "../lib/runner/resource-guard.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import type { Context } from "./context.ts";
import { openHealthChecks } from "./health-checks.ts";

/** One is enough for all cameras of a process. */
export interface ResourceCare {
  readonly guard: ResourceGuard;
  readonly host: HostMeter;
  /** Undefined where it is not to be told. */
  readonly gpu: GpuMemory | undefined;
  /** Of the host that the process is on. */
  readonly health: HealthChecker;
  stop(): Promise<void>;
}

/** @param onCheck told when a check of the host fails or recovers. */
export function openResourceCare(
  context: Context,
  onCheck: (result: CheckResult) => void = () => {},
): ResourceCare {
  const { resources } = context.settings;
  const host = openHostMeter();
  const guard = startResourceGuard({ limits: resources, everySec: resources.checkEverySec, host });
  const gpu = openGpu(context);
  const health = openHealthChecks(context, (result) => {
    const { check, ok, message } = result;
    context.log[ok ? "info" : "warn"]({ check }, message);
    onCheck(result);
  });
  return {
    guard,
    host,
    gpu,
    health,
    stop: async () => {
      guard.stop();
      await Promise.all([gpu?.stop(), health.stop()]);
    },
  };
}

/** Undefined where it is not wanted. */
export function openGpu({ settings, environment: env }: Context): GpuMemory | undefined {
  if (!settings.resources.gpu) return undefined;
  return openGpuMemory({ spawn: spawnGroup, path: env["PATH"] ?? "", env });
}
