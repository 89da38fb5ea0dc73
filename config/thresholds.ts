import type { Thresholds } from "../lib/core/status.ts";
import type { Settings } from "./settings.ts";

/** What statuses are judged by. */
export function thresholdsOf({ heartbeat, status }: Settings): Thresholds {
  return {
    intervalSec: heartbeat.intervalSec,
    onlineSec: heartbeat.onlineSec,
    staleSec: heartbeat.staleSec,
    offlineSec: heartbeat.offlineSec,
    startGraceSec: status.startGraceSec,
  };
}
