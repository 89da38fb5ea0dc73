/** When a camera is healthy, and when it is tried again. Pure: time and chance are arguments. */
import type { CameraFault } from "../core/camera-session.ts";
import type { ReconnectSpec } from "../core/fleet.ts";
import type { CameraState } from "../core/heartbeat.ts";
import type { PictureTrouble } from "./picture-watch.ts";

export interface WatchdogPolicy {
  /** Seconds before the first, second, … try; the last repeats. */
  readonly backoffSec: readonly number[];
  /** Failures in a row from which the camera is degraded. */
  readonly degradedAfter: number;
  /** Failures in a row after which it is not tried again; 0: always tried. */
  readonly maxFailures: number;
  /** So long the stream must be good before failures are forgotten, seconds. */
  readonly goodSec: number;
  /** Least pause where each try may bring a lock-out nearer, seconds. */
  readonly slowSec: number;
}

export const DEFAULT_WATCHDOG: WatchdogPolicy = {
  backoffSec: [1, 2, 4, 8, 16, 32, 60],
  degradedAfter: 3,
  maxFailures: 10,
  goodSec: 30,
  slowSec: 60,
};

/** The usual policy, with what the fleet file says of one camera. */
export function watchdogPolicy(maxFailures: number, given: ReconnectSpec = {}): WatchdogPolicy {
  return {
    backoffSec: given.backoffSec ?? DEFAULT_WATCHDOG.backoffSec,
    degradedAfter: given.degradedAfter ?? DEFAULT_WATCHDOG.degradedAfter,
    maxFailures,
    goodSec: given.goodSec ?? DEFAULT_WATCHDOG.goodSec,
    slowSec: given.slowSec ?? DEFAULT_WATCHDOG.slowSec,
  };
}

/** Tries are this much earlier or later, so that cameras that failed together do not come back so. */
const JITTER = 0.1;

/** What is known of one camera. Times are ms on a monotonic clock. */
export interface Watch {
  readonly failures: number;
  readonly streamingSince: number | null;
  /** Why it failed last; null since it streams again. */
  readonly fault: CameraFault | null;
  readonly hasGivenUp: boolean;
  /** What is wrong with the pictures that come. */
  readonly picture: PictureTrouble;
  /** What the stream suffers from. */
  readonly trouble: string | null;
}

export const NEW_WATCH: Watch = {
  failures: 0,
  streamingSince: null,
  fault: null,
  hasGivenUp: false,
  picture: null,
  trouble: null,
};

/** Pictures come. */
export function afterStreaming(watch: Watch, now: number): Watch {
  return { ...watch, streamingSince: watch.streamingSince ?? now, fault: null, hasGivenUp: false };
}

/** The pictures that come have been looked at. */
export function afterPicture(watch: Watch, picture: PictureTrouble): Watch {
  return { ...watch, picture };
}

/** The stream suffers, or no longer. */
export function afterTrouble(watch: Watch, trouble: string | null): Watch {
  return { ...watch, trouble };
}

/** The session has failed. */
export function afterFailure(
  watch: Watch,
  now: number,
  fault: CameraFault,
  policy: WatchdogPolicy,
): Watch {
  const failures = failuresAt(watch, now, policy) + 1;
  const isLast = policy.maxFailures > 0 && failures >= policy.maxFailures;
  const hasGivenUp = isLast || isPermanent(fault);
  return { ...NEW_WATCH, failures, fault, hasGivenUp };
}

/** Failures that still count: a stream that was good for long enough has made up for them. */
function failuresAt(watch: Watch, now: number, policy: WatchdogPolicy): number {
  const { streamingSince, failures } = watch;
  const isGood = streamingSince !== null && now - streamingSince >= policy.goodSec * 1000;
  return isGood ? 0 : failures;
}

/** Only a changed setting can help. */
function isPermanent(fault: CameraFault): boolean {
  return fault.retry === "no" || fault.retry === "after_change";
}

/**
 * Milliseconds until the next try; null: none.
 * @param random from 0 to 1.
 */
export function retryDelayMs(watch: Watch, policy: WatchdogPolicy, random: number): number | null {
  if (watch.hasGivenUp) return null;
  const { backoffSec } = policy;
  const seconds = backoffSec[Math.min(watch.failures, backoffSec.length) - 1] ?? 1;
  const isSlow = watch.fault?.retry === "slowly" || watch.fault?.retry === "after_host";
  const wanted = isSlow ? Math.max(seconds, policy.slowSec) : seconds;
  return Math.round(wanted * 1000 * (1 - JITTER + 2 * JITTER * random));
}

/** What a person may expect next, e.g. `Failure 3 of 10, next try after 4 s`. */
export function retryText(watch: Watch, policy: WatchdogPolicy, delayMs: number | null): string {
  const ofMost = policy.maxFailures > 0 ? ` of ${policy.maxFailures}` : "";
  if (delayMs !== null) {
    const seconds = Math.round(delayMs / 100) / 10;
    return `Failure ${watch.failures}${ofMost}, next try after ${seconds} s`;
  }
  if (watch.fault !== null && isPermanent(watch.fault)) return "Not tried again: trying can't help";
  return `Given up after failure ${watch.failures}${ofMost}`;
}

/** The camera's state for the heartbeat. */
export function cameraState(watch: Watch, now: number, policy: WatchdogPolicy): CameraState {
  if (watch.hasGivenUp) return "offline";
  if (failuresAt(watch, now, policy) >= policy.degradedAfter) return "degraded";
  if (watch.streamingSince === null) return "reconnecting";
  return watch.picture === null && watch.trouble === null ? "healthy" : "degraded";
}
