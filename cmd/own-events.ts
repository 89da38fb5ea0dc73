/** The events of a runner that nobody supervises: it tells of its own life. */
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../lib/core/errors.ts";
import type { EventData, EventType } from "../lib/core/event.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { EventPublisher } from "../lib/nats/event-publisher.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

/** What is not stored by then is lost: a command's end must not wait for NATS. */
const CLOSE_MS = 2_000;

export interface OwnEvents {
  /** Kept until NATS is there. */
  tell<T extends EventType>(type: T, data: EventData<T>, msgId?: string): void;
  /** Waits up to 2 s for what was told. */
  close(): Promise<void>;
}

/** Connects in the background; whatever goes wrong is logged and changes nothing else. */
export function openOwnEvents(context: Context, runner: RunnerId, component: string): OwnEvents {
  const abort = new AbortController();
  const opening = open(context, component, abort.signal);
  opening.catch((error: unknown) => {
    if (abort.signal.aborted) return;
    context.log.warn(`events of ${runner} are not published: ${messageOf(error)}`);
  });
  return {
    tell(type, data, msgId) {
      const atMs = Date.now();
      const options = msgId === undefined ? { atMs } : { atMs, msgId };
      opening
        .then(async ({ publisher }) => await publisher.publish(runner, type, data, options))
        .catch(() => {});
    },
    async close() {
      const timer = new AbortController();
      const late = delay(CLOSE_MS, undefined, { signal: timer.signal }).catch(() => {});
      const opened = await Promise.race([opening.catch(() => undefined), late]);
      timer.abort();
      abort.abort();
      if (opened === undefined) return;
      await opened.publisher.close(CLOSE_MS);
      await opened.close();
    },
  };
}

async function open(
  context: Context,
  component: string,
  signal: AbortSignal,
): Promise<{ publisher: EventPublisher; close: () => Promise<void> }> {
  // Loaded here only: supervised runners, of which there may be many, do without.
  const { connectNats } = await import("../lib/nats/connect.ts");
  const { createEventPublisher } = await import("../lib/nats/event-publisher.ts");
  const nc = await connectNats({
    ...natsOptions(context, `runbeat ${component}`),
    waitOnFirstConnect: true,
    signal,
  });
  const by = `${component}@${hostname()}`;
  const prefixes = prefixesOf(context.settings);
  const publisher = createEventPublisher(nc, { prefixes, by, log: context.log });
  return { publisher, close: async () => await nc.close() };
}
