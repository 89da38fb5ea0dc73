import type { Prefixes } from "../lib/core/subject.ts";
import type { ConnectOptions } from "../lib/nats/connect.ts";
import type { Context } from "./context.ts";
import type { createLog } from "./log.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

/** What a thread that reads streams needs of its command's context: plain data. */
export interface NatsThreadData {
  readonly connect: Omit<ConnectOptions, "log">;
  readonly logLevel: Parameters<typeof createLog>[0];
  readonly prefixes: Prefixes;
}

/** @param name of its connection. */
export function natsThreadData(context: Context, name: string): NatsThreadData {
  const { log: _, ...connect } = natsOptions(context, name);
  const { settings } = context;
  return { connect, logLevel: settings.logLevel, prefixes: prefixesOf(settings) };
}
