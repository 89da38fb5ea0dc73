import type { StreamOptions } from "../../lib/nats/stream-declarations.ts";

const DAY_SEC = 86_400;

/** The default limits, as the settings have them. */
export const STREAM_OPTIONS: StreamOptions = {
  prefixes: { subject: "runbeat", stream: "RUNBEAT" },
  limits: {
    heartbeats: { maxAgeSec: DAY_SEC, maxBytes: null, maxMessages: null },
    snapshots: { maxAgeSec: 30 * DAY_SEC, maxBytes: null, maxMessages: null },
    events: { maxAgeSec: 90 * DAY_SEC, maxBytes: null, maxMessages: null },
    alerts: { maxAgeSec: 90 * DAY_SEC, maxBytes: null, maxMessages: null },
    quarantine: { maxAgeSec: 7 * DAY_SEC, maxBytes: null, maxMessages: 100_000 },
  },
};
