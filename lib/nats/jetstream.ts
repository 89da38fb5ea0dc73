import { JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";

/** Per-message time to live, which leases need, came with it. */
export const MIN_SERVER_VERSION = "2.11.0";
/** `persist_mode` came with it. */
export const ASYNC_PERSIST_VERSION = "2.12.0";

const TIMEOUT_MS = 5_000;
/** JetStream not enabled: on the server, or for the account. Source: nats-server's errors.json. */
const NOT_ENABLED_CODES = [10_039, 10_076];

/** Compares `a.b.c` versions by number; what follows a `-` is not looked at. */
export function isAtLeast(version: string, wanted: string): boolean {
  const has = versionParts(version);
  const wants = versionParts(wanted);
  for (const [index, part] of wants.entries()) {
    const own = has[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}

function versionParts(version: string): number[] {
  const [core = ""] = version.replace(/^v/, "").split(/[-+~]/);
  return core.split(".").map((part) => Number.parseInt(part, 10) || 0);
}

/**
 * The JetStream API of a connection, after checking that the server can do what Runbeat needs.
 * @throws AppError `unavailable` when the server is too old, or JetStream is off or mute.
 */
export async function openJetStream(
  nc: NatsConnection,
  options: { readonly timeoutMs?: number } = {},
): Promise<JetStreamManager> {
  const version = nc.info?.version ?? "0";
  if (!isAtLeast(version, MIN_SERVER_VERSION)) {
    throw new AppError(
      "unavailable",
      `The NATS server at ${nc.getServer()} is version ${version}, but Runbeat needs ` +
        `${MIN_SERVER_VERSION} or newer: upgrade it`,
    );
  }
  try {
    return await jetstreamManager(nc, { timeout: options.timeoutMs ?? TIMEOUT_MS });
  } catch (error) {
    throw new AppError("unavailable", jetStreamFailure(nc, error), { cause: error });
  }
}

function jetStreamFailure(nc: NatsConnection, error: unknown): string {
  const server = nc.getServer();
  if (isNotEnabled(error)) {
    return (
      `The NATS server at ${server} has no JetStream for this account: ` +
      "start it with --jetstream, or enable JetStream for the account"
    );
  }
  return `JetStream on the NATS server at ${server} does not answer: ${messageOf(error)}`;
}

/** Whether nobody answers for JetStream: it is off, or the server has not started it yet. */
export function isUnheard(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

function isNotEnabled(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return NOT_ENABLED_CODES.includes(error.code);
  return isUnheard(error) || /no responders|503/i.test(messageOf(error));
}
