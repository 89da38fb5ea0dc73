import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection, NodeConnectionOptions, Status } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { AppError, messageOf } from "../core/errors.ts";
import { redact } from "../core/redact.ts";
import { connectionFailure } from "./connection-failure.ts";
import type { Attempt } from "./connection-failure.ts";
import { buildLogin } from "./login.ts";
import type { Login, LoginOptions } from "./login.ts";
import { parseServerList } from "./server-list.ts";
import type { ServerList } from "./server-list.ts";

const TIMEOUT_MS = 5_000;
/** A dead peer that does not close its socket is noticed after the second unanswered ping. */
const PING_INTERVAL_MS = 5_000;
const MAX_PINGS_OUT = 2;
const RECONNECT_MIN_MS = 250;
const RECONNECT_JITTER_MS = 750;
/** While waiting for the first connection; doubles up to the second. */
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 5_000;
/** The same error again is not logged within this time. */
const REPEAT_LOG_MS = 30_000;

export type ConnectLog = Pick<Logger, "debug" | "info" | "warn" | "error">;

export interface ConnectOptions extends LoginOptions {
  /** Address or addresses: `nats://host:port`, separated by commas. */
  readonly url: string;
  /** Shown by the server's monitoring, e.g. `runbeat projector`. */
  readonly name: string;
  readonly log: ConnectLog;
  /** Paths of PEM files. */
  readonly tlsCa?: string | null | undefined;
  readonly tlsCert?: string | null | undefined;
  readonly tlsKey?: string | null | undefined;
  /** The server expects TLS before its greeting. */
  readonly tlsFirst?: boolean;
  /** Waits for a server that is not there yet, for ever or until the signal. */
  readonly waitOnFirstConnect?: boolean;
  readonly signal?: AbortSignal;
  /** For one attempt; 5 s unless given. */
  readonly timeoutMs?: number;
  /** Where permissions allow only some inbox; `_INBOX` unless given. */
  readonly inboxPrefix?: string;
}

/**
 * Connects to NATS; once connected, it reconnects for ever, and says so in the log.
 * @throws AppError `unavailable` when no server answers, `forbidden` when it refuses the login,
 *   `invalid` for wrong addresses, files or certificates.
 */
export async function connectNats(options: ConnectOptions): Promise<NatsConnection> {
  const list = parseServerList(options.url);
  const login = buildLogin(withLoginOf(list, options));
  const attempt: Attempt = {
    where: list.shown,
    login: login?.shown,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
  };
  const nc = await connectAtLast(options, clientOptions(options, list, login, attempt), attempt);
  options.log.debug({ server: nc.getServer() }, "connected to NATS");
  void logStatus(nc, options.log, attempt.where);
  return nc;
}

/** The address's own login counts where the options name none. */
function withLoginOf(list: ServerList, options: ConnectOptions): LoginOptions {
  const { creds, nkey, token, user } = options;
  if (creds || nkey || token || user) return options;
  return { token: list.token, user: list.user, password: list.password };
}

function clientOptions(
  options: ConnectOptions,
  list: ServerList,
  login: Login | undefined,
  attempt: Attempt,
): NodeConnectionOptions {
  const tls = tlsOptions(options, list);
  return {
    servers: [...list.servers],
    name: options.name,
    timeout: attempt.timeoutMs,
    maxReconnectAttempts: -1,
    // A login that is refused while its server is being reconfigured must not end us for good.
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => RECONNECT_MIN_MS + Math.random() * RECONNECT_JITTER_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: MAX_PINGS_OUT,
    noAsyncTraces: true,
    ...(login === undefined ? {} : { authenticator: login.authenticator }),
    ...(tls === undefined ? {} : { tls }),
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
  };
}

function tlsOptions(options: ConnectOptions, list: ServerList): NodeConnectionOptions["tls"] {
  const { tlsCa, tlsCert, tlsKey, tlsFirst } = options;
  if (Boolean(tlsCert) !== Boolean(tlsKey)) {
    throw new AppError("invalid", "nats.tls_cert and nats.tls_key need each other: set both");
  }
  if (!list.tls && !tlsCa && !tlsCert && !tlsFirst) return undefined;
  return {
    ...(tlsCa ? { caFile: tlsCa } : {}),
    ...(tlsCert ? { certFile: tlsCert } : {}),
    ...(tlsKey ? { keyFile: tlsKey } : {}),
    ...(tlsFirst === true ? { handshakeFirst: true } : {}),
  };
}

async function connectAtLast(
  options: ConnectOptions,
  client: NodeConnectionOptions,
  attempt: Attempt,
): Promise<NatsConnection> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
    options.signal?.throwIfAborted();
    try {
      return await connect(client);
    } catch (error) {
      const failure = connectionFailure(error, attempt);
      const isWorthWaiting = options.waitOnFirstConnect === true && failure.code === "unavailable";
      if (!isWorthWaiting) throw failure;
      options.log.warn({ nextTryMs: waitMs }, failure.message);
    }
    await delay(waitMs * (0.5 + Math.random() / 2), undefined, withSignal(options.signal));
  }
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

async function logStatus(nc: NatsConnection, log: ConnectLog, where: string): Promise<void> {
  const isNew = repeatFilter();
  for await (const status of nc.status()) {
    const error = status.type === "error" ? redact(messageOf(status.error)) : "";
    if (status.type !== "error" || isNew(error)) logOne(status, error, log, where);
  }
  const reason = await nc.closed();
  if (reason instanceof Error) {
    log.error({ reason: redact(reason.message) }, `the connection to NATS at ${where} has ended`);
  }
}

function logOne(status: Status, error: string, log: ConnectLog, where: string): void {
  switch (status.type) {
    case "disconnect":
      return log.warn(`lost NATS at ${where}; trying again until it is back`);
    case "reconnect":
      return log.info({ server: status.server }, "NATS is back");
    case "error":
      return log.warn({ error }, "NATS reports an error");
    case "staleConnection":
      return log.warn("NATS does not answer pings: connecting again");
    case "slowConsumer":
      return log.warn({ pending: status.pending }, "a subscription falls behind");
    case "ldm":
      return log.info({ server: status.server }, "this NATS server is about to shut down");
    case "update":
    case "reconnecting":
    case "ping":
    case "forceReconnect":
    case "close":
      return log.debug({ status: status.type }, "NATS connection status");
  }
}

/** True for a text that was not seen within the last while. */
function repeatFilter(): (text: string) => boolean {
  let last = "";
  let atMs = Number.NEGATIVE_INFINITY;
  return (text) => {
    const now = performance.now();
    if (text === last && now - atMs < REPEAT_LOG_MS) return false;
    last = text;
    atMs = now;
    return true;
  };
}
