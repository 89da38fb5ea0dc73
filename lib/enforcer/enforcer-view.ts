import type { RunnerMemory } from "../core/decide-memory.ts";
import type { FleetEntry } from "../core/fleet.ts";
import type { RunSeen } from "../core/observed.ts";
import type { RunnerId } from "../core/runner-id.ts";

export type RunnerState =
  /** A process is being started or runs. */
  | "running"
  | "stopping"
  /** Waits for its next start. */
  | "waiting"
  /** Has used up its restarts for now. */
  | "cooling"
  /** Has ended and is not started again. */
  | "ended"
  /** Is not ours to start. */
  | "watched"
  /** Was stopped by an order. */
  | "stopped";

/** A runner as the enforcer sees it. */
export interface RunnerView {
  readonly runner: RunnerId;
  /** `camera`, `command`, `docker`, `systemd`, `external`. */
  readonly driver: string;
  readonly state: RunnerState;
  readonly paused: boolean;
  /** Of the process that beats; null between two. */
  readonly pid: number | null;
  /** Restarts in a row. */
  readonly attempts: number;
  /** When it is started again, epoch ms; null where that is not planned. */
  readonly nextStartAt: number | null;
}

export function viewOf(
  { runner, driver }: FleetEntry,
  run: RunSeen | undefined,
  memory: RunnerMemory | undefined,
): RunnerView {
  return {
    runner,
    driver: driver.kind,
    state: run === undefined ? "watched" : stateOf(run, memory),
    paused: memory?.paused ?? false,
    pid: run?.kind === "running" ? run.pid : null,
    attempts: memory?.attempts ?? 0,
    nextStartAt: run?.kind === "running" ? null : (memory?.plan?.at ?? null),
  };
}

function stateOf(run: RunSeen, memory: RunnerMemory | undefined): RunnerState {
  if (run.kind === "running" || run.kind === "stopping") return run.kind;
  if (memory !== undefined && memory.wish !== "run") return "stopped";
  if (memory?.plan?.kind === "cooldown") return "cooling";
  return memory?.down === true ? "ended" : "waiting";
}
