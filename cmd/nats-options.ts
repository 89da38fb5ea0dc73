import type { ConnectOptions } from "../lib/nats/connect.ts";
import type { Context } from "./context.ts";
import { readUpRecord } from "./up-record.ts";

/**
 * Where NATS is: as configured, else the embedded server of the `runbeat up` on this data folder,
 * else where its next one will be.
 */
export function natsUrl({ settings, paths }: Pick<Context, "settings" | "paths">): string {
  if (settings.nats.url !== null) return settings.nats.url;
  return readUpRecord(paths)?.natsUrl ?? `nats://127.0.0.1:${settings.nats.port}`;
}

/** How to connect. @param name shown by the server's monitoring, e.g. `runbeat projector`. */
export function natsOptions(context: Context, name: string): ConnectOptions {
  const { creds, nkey, token, user, password, tlsCa, tlsCert, tlsKey, tlsFirst } =
    context.settings.nats;
  return {
    url: natsUrl(context),
    name,
    log: context.log,
    creds,
    nkey,
    token,
    user,
    password,
    tlsCa,
    tlsCert,
    tlsKey,
    tlsFirst,
  };
}
