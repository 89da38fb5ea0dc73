/** Reads whole streams with the NATS client's own ordered consumer, not with the product's reader. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";

const STUCK_MS = 60_000;
const MAX_MESSAGES = 5_000;

/** Calls `take` for every message that the stream holds now, in order. */
export async function readStream(
  nc: NatsConnection,
  stream: string,
  take: (message: JsMsg) => void,
): Promise<void> {
  const { state } = await (await jetstreamManager(nc)).streams.info(stream);
  if (state.messages === 0) return;
  const consumer = await jetstream(nc).consumers.get(stream);
  let finish: (error?: Error) => void = () => undefined;
  const finished = new Promise<void>((resolve, reject) => {
    finish = (error) => (error === undefined ? resolve() : reject(error));
  });
  let timer: NodeJS.Timeout | undefined;
  const isAlive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => finish(new Error(`${stream} is not read to its end`)), STUCK_MS);
  };
  isAlive();
  let read = 0;
  const messages = await consumer.consume({
    max_messages: MAX_MESSAGES,
    callback: (message) => {
      take(message);
      read += 1;
      if (read % MAX_MESSAGES === 0) isAlive();
      if (message.seq >= state.last_seq) finish();
    },
  });
  try {
    await finished;
  } finally {
    clearTimeout(timer);
    messages.stop();
  }
}

/** Stream time in epoch ms, as the product counts it: the nanoseconds cut off. */
export function timeMs(message: JsMsg): number {
  return Number(message.timestampNanos / 1_000_000n);
}
