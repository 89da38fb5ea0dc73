/** How the heartbeats of a command leave: over NATS, as configured. */
import { readFileSync } from "node:fs";
import { AppError, messageOf } from "../lib/core/errors.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { heartbeatSubject } from "../lib/core/subject.ts";
import type { OpenChannel } from "../lib/runner/beat-channel.ts";
import { openNatsLine } from "../lib/runner/nats-line.ts";
import type { NatsLineOptions } from "../lib/runner/nats-line.ts";
import { natsLogin } from "../lib/runner/nats-login.ts";
import type { Context } from "./context.ts";
import { natsUrl } from "./nats-options.ts";
import { prefixesOf } from "./stream-options.ts";

/** @throws AppError `invalid` where a certificate can't be read. */
export function beatChannel(context: Context, runner: RunnerId): OpenChannel {
  const { nats } = context.settings;
  const login = natsLogin(nats);
  const tls = tlsOf(nats);
  const options: NatsLineOptions = {
    url: natsUrl(context),
    subject: heartbeatSubject(prefixesOf(context.settings), runner),
    name: `runbeat heartbeat ${runner}`,
    tlsFirst: nats.tlsFirst,
    ...(login === undefined ? {} : { login }),
    ...(tls === undefined ? {} : { tls }),
  };
  return (hooks) => openNatsLine(options, hooks);
}

function tlsOf(nats: Context["settings"]["nats"]): NatsLineOptions["tls"] {
  const { tlsCa, tlsCert, tlsKey } = nats;
  if (tlsCa === null && tlsCert === null && tlsKey === null) return undefined;
  return {
    ...(tlsCa === null ? {} : { ca: read("nats.tls_ca", tlsCa) }),
    ...(tlsCert === null ? {} : { cert: read("nats.tls_cert", tlsCert) }),
    ...(tlsKey === null ? {} : { key: read("nats.tls_key", tlsKey) }),
  };
}

function read(setting: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new AppError("invalid", `${setting} can't be read: ${messageOf(error)}`);
  }
}
