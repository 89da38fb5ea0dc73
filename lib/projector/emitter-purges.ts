import type { NatsConnection } from "@nats-io/transport-node";
import { parseTime } from "../core/time.ts";

/** On it the server tells of every call of its JetStream API. Source: nats-server's jetstream_events.go. */
const API_CALLS = "$JS.EVENT.ADVISORY.API";

/**
 * Calls back at once when a stream was purged, with the time of it, epoch ms by the server. Where permissions hide what the server tells, it
 * never does, and looking at the stream now and then has to do.
 * @returns what ends it.
 */
export function watchPurges(
  nc: NatsConnection,
  stream: string,
  onPurge: (atMs: number) => void,
): () => void {
  const call = `STREAM.PURGE.${stream}"`;
  const subscription = nc.subscribe(API_CALLS, {
    callback: (error, message) => {
      if (error !== null) return;
      const { data } = message;
      const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      if (text.includes(call)) onPurge(timeOf(text.toString()));
    },
  });
  return () => {
    if (!nc.isClosed()) subscription.unsubscribe();
  };
}

function timeOf(advisory: string): number {
  const stamp = /"timestamp": ?"([^"]+)"/.exec(advisory)?.[1];
  return (stamp === undefined ? undefined : parseTime(stamp)) ?? Date.now();
}
