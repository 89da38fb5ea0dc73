/** Whether a runner that has ended is started again, and when. Pure: time is an argument. */
import type { Fleet, RestartOverrides } from "./fleet.ts";
import { matchesRunner } from "./runner-id.ts";
import type { RunnerId } from "./runner-id.ts";

export interface RestartSettings {
  /** False: nothing is ever restarted. */
  readonly isEnabled: boolean;
  /** Seconds before the first, second, … restart; the last repeats. */
  readonly backoffSec: readonly number[];
  /** Restarts in a row before the cooldown; 0: none at all. */
  readonly maxAttempts: number;
  readonly cooldownSec: number;
  readonly stableSec: number;
}

/** What is remembered of a runner's failures. */
export interface RestartMemory {
  /** Restarts in a row. */
  readonly attempts: number;
}

export const NO_FAILURES: RestartMemory = { attempts: 0 };

/** One end of a run. */
export interface RunEnd {
  readonly ranSec: number;
  /** For people, e.g. `exit code 1`. */
  readonly reason: string;
  /** Epoch ms. */
  readonly at: number;
}

export type RestartDecision =
  | {
      readonly kind: "restart";
      readonly attempt: number;
      readonly delaySec: number;
      readonly reason: string;
    }
  | {
      /** Too many in a row: the next one comes after the cooldown and counts as the first. */
      readonly kind: "exhausted";
      readonly attempts: number;
      /** Epoch ms. */
      readonly cooldownUntil: number;
      readonly reason: string;
    }
  | { readonly kind: "denied"; readonly why: string };

/** A runner's own settings win over the fleet's defaults, those over the configuration. */
export function restartSettings(
  configured: RestartSettings,
  overrides: RestartOverrides,
): RestartSettings {
  return {
    isEnabled: configured.isEnabled,
    backoffSec: overrides.backoffSec ?? configured.backoffSec,
    maxAttempts: overrides.maxAttempts ?? configured.maxAttempts,
    cooldownSec: overrides.cooldownSec ?? configured.cooldownSec,
    stableSec: overrides.stableSec ?? configured.stableSec,
  };
}

/** Why the runner must not be restarted; undefined where it may be. The deny list wins. */
export function restartDenial(
  fleet: Pick<Fleet, "restartAllow" | "restartDeny">,
  settings: RestartSettings,
  runner: RunnerId,
): string | undefined {
  const listed = listDenial(fleet, runner);
  if (listed !== undefined) return `unhealthy but ${listed}`;
  if (!settings.isEnabled) return "the supervisor is switched off (SUPERVISOR_ENABLED)";
  if (settings.maxAttempts === 0) return "no restarts are allowed (MAX_RESTART_ATTEMPTS is 0)";
  return undefined;
}

/** What the fleet's lists say against any restart of the runner, whatever its cause. */
export function listDenial(
  fleet: Pick<Fleet, "restartAllow" | "restartDeny">,
  runner: RunnerId,
): string | undefined {
  const denied = fleet.restartDeny.find((pattern) => matchesRunner(pattern, runner));
  if (denied !== undefined) return `in deny list (${denied})`;
  const isAllowed = fleet.restartAllow?.some((pattern) => matchesRunner(pattern, runner)) ?? true;
  return isAllowed ? undefined : "not in allow list";
}

/** What follows from the end of a run that should have gone on. */
export function afterEnd(
  memory: RestartMemory,
  end: RunEnd,
  settings: RestartSettings,
  denial: string | undefined,
): { readonly memory: RestartMemory; readonly decision: RestartDecision } {
  if (denial !== undefined) return { memory, decision: { kind: "denied", why: denial } };
  const attempts = isStable(end.ranSec, settings) ? 0 : memory.attempts;
  if (attempts >= settings.maxAttempts) {
    const cooldownUntil = end.at + settings.cooldownSec * 1000;
    const decision = { kind: "exhausted", attempts, cooldownUntil, reason: end.reason } as const;
    return { memory: NO_FAILURES, decision };
  }
  const attempt = attempts + 1;
  const delaySec = backoffAt(attempt, settings.backoffSec);
  const decision = { kind: "restart", attempt, delaySec, reason: end.reason } as const;
  return { memory: { attempts: attempt }, decision };
}

/** Whether a run was so long that the failures before it no longer count. */
export function isStable(ranSec: number, settings: RestartSettings): boolean {
  return ranSec >= settings.stableSec;
}

function backoffAt(attempt: number, backoffSec: readonly number[]): number {
  return backoffSec[Math.min(attempt, backoffSec.length) - 1] ?? 0;
}
