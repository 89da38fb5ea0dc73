/** Settings in the shapes that the parts of Runbeat take them in. */
import type { Thresholds } from "../lib/core/status.ts";
import type { Prefixes } from "../lib/core/subject.ts";
import type { Settings } from "./settings.ts";

export function thresholdsOf({ heartbeat, status }: Settings): Thresholds {
  return {
    intervalSec: heartbeat.intervalSec,
    onlineSec: heartbeat.onlineSec,
    staleSec: heartbeat.staleSec,
    offlineSec: heartbeat.offlineSec,
    startGraceSec: status.startGraceSec,
  };
}

export function prefixesOf({ nats }: Settings): Prefixes {
  return { subject: nats.subjectPrefix, stream: nats.streamPrefix };
}
