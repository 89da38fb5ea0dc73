import type { NatsConnection } from "@nats-io/transport-node";

/** On it the server tells of every call of its JetStream API. Source: nats-server's jetstream_events.go. */
const API_CALLS = "$JS.EVENT.ADVISORY.API";

/**
 * Calls back at once when a stream was purged. Where permissions hide what the server tells, it
 * never does, and looking at the stream now and then has to do.
 * @returns what ends it.
 */
export function watchPurges(nc: NatsConnection, stream: string, onPurge: () => void): () => void {
  const call = `STREAM.PURGE.${stream}"`;
  const subscription = nc.subscribe(API_CALLS, {
    callback: (error, message) => {
      if (error !== null) return;
      const { data } = message;
      const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      if (text.includes(call)) onPurge();
    },
  });
  return () => {
    if (!nc.isClosed()) subscription.unsubscribe();
  };
}
