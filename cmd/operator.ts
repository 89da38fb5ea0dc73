/** An operator at the command line: who they are, and their line to NATS. */
import { hostname, userInfo } from "node:os";
import { connectNats } from "../lib/nats/connect.ts";
import { OperatorLine } from "../lib/nats/operator-line.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

/** `ada@laptop`. */
export function whoAmI(): string {
  return `${userInfo().username}@${hostname()}`;
}

/**
 * Opens the line for a piece of work.
 * @param name of the command, for the server's list of connections.
 */
export async function withOperatorLine<T>(
  context: Context,
  name: string,
  work: (line: OperatorLine) => Promise<T>,
): Promise<T> {
  const nc = await connectNats(natsOptions(context, name));
  try {
    const prefixes = prefixesOf(context.settings);
    const by = `operator@${hostname()}`;
    return await work(new OperatorLine(nc, { prefixes, by }));
  } finally {
    await nc.close();
  }
}
