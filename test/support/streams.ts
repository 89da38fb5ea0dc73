import type { NatsConnection } from "@nats-io/transport-node";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { reconcileStreams } from "../../lib/nats/streams.ts";

const FREE = { maxAgeSec: 86_400, maxBytes: null, maxMessages: null };

/** The project's own streams on a test server. */
export async function makeStreams(nc: NatsConnection): Promise<void> {
  await reconcileStreams(nc, {
    prefixes: DEFAULT_PREFIXES,
    limits: { heartbeats: FREE, snapshots: FREE, events: FREE, alerts: FREE, quarantine: FREE },
  });
}
