import type { NatsConnection } from "@nats-io/transport-node";
import { connectNats } from "../lib/nats/connect.ts";
import type { ConnectOptions } from "../lib/nats/connect.ts";

/** Who asks for it waits no longer for NATS. */
const CONNECT_MS = 3_000;

export interface LazyConnection {
  /** @throws AppError as `connectNats`. */
  readonly get: () => Promise<NatsConnection>;
  readonly close: () => Promise<void>;
}

/** A connection that is made for the first who asks; one that failed is tried again by the next. */
export function lazyConnection(options: ConnectOptions): LazyConnection {
  let connecting: Promise<NatsConnection> | undefined;
  const get = (): Promise<NatsConnection> => {
    connecting ??= connectNats({ ...options, timeoutMs: CONNECT_MS }).catch((error: unknown) => {
      connecting = undefined;
      throw error;
    });
    return connecting;
  };
  const close = async (): Promise<void> => {
    const nc = await connecting?.catch(() => undefined);
    await nc?.close();
  };
  return { get, close };
}
