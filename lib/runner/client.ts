/** The package's main export: heartbeats for a Node process in one line. */
import { hostname } from "node:os";
import { readRunnerEnvironment } from "../../config/runner-env.ts";
import type { RunnerEnvironment } from "../../config/runner-env.ts";
import { AppError, messageOf } from "../core/errors.ts";
import { isToken, parseRunnerId } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { DEFAULT_PREFIXES, heartbeatSubject } from "../core/subject.ts";
import type { OpenChannel } from "./beat-channel.ts";
import { startHeartbeatClient } from "./heartbeat-client.ts";
import type { Collect, HeartbeatHandle } from "./heartbeat-client.ts";
import type { BeatIdentity } from "./heartbeat-body.ts";
import { openHttpPost } from "./http-post.ts";
import { openNatsLine } from "./nats-line.ts";
import { natsLogin } from "./nats-login.ts";
import { ownStartedAt } from "./process-identity.ts";

export type { Collect, HeartbeatHandle } from "./heartbeat-client.ts";
export type { HeartbeatPart } from "./heartbeat-body.ts";

const DEFAULT_INTERVAL_SEC = 10;
const DEFAULT_SNAPSHOT_EVERY_SEC = 15;
const DEFAULT_URL = "nats://127.0.0.1:4222";

export interface HeartbeatOptions {
  /** `kind/name/profile`; else RUNBEAT_RUNNER. */
  readonly runner?: string;
  /** NATS server or servers, separated by commas, or an http(s) heartbeat address; else NATS_URL. */
  readonly url?: string;
  /** For an http(s) address; else RUNNER_HEARTBEAT_KEY. */
  readonly key?: string;
  /** Path of a NATS credentials file. */
  readonly creds?: string;
  readonly token?: string;
  readonly user?: string;
  readonly password?: string;
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** The host's own name unless given. */
  readonly host?: string;
  /** 10 unless given or in HEARTBEAT_INTERVAL_SEC. */
  readonly intervalSec?: number;
  /** How often checks, metrics, labels, resources and detail go along; 15 unless given. */
  readonly snapshotEverySec?: number;
  /** First word of the subjects, `runbeat` unless given. */
  readonly prefix?: string;
  /** Asked for figures before each heartbeat; `null` skips this one. */
  readonly collect?: Collect;
  /** Told what went wrong. Nothing is ever thrown. */
  readonly onError?: (error: AppError) => void;
}

/**
 * Beats for this process until it ends. Never throws and never keeps the process alive; what goes
 * wrong is told to `onError`, and beating goes on through outages of NATS.
 */
export function startHeartbeat(options: HeartbeatOptions = {}): HeartbeatHandle {
  try {
    const env = readRunnerEnvironment();
    const identity = identityOf(options, env);
    return startHeartbeatClient({
      identity,
      snapshotEverySec: snapshotEverySec(options, env),
      open: channelOf(options, env, identity.runner),
      ...(options.collect === undefined ? {} : { collect: options.collect }),
      ...(options.onError === undefined ? {} : { onError: options.onError }),
    });
  } catch (error) {
    tell(options, error);
    return { beat() {}, set() {}, async stop() {} };
  }
}

function identityOf(options: HeartbeatOptions, env: RunnerEnvironment): BeatIdentity {
  const runner = options.runner ?? env.runner;
  if (runner === undefined) {
    throw new AppError("invalid", "No runner is given: pass `runner` or set RUNBEAT_RUNNER");
  }
  const intervalSec = options.intervalSec ?? env.intervalSec ?? DEFAULT_INTERVAL_SEC;
  if (!(intervalSec >= 0.1 && intervalSec <= 86_400)) {
    throw new AppError("invalid", `intervalSec is ${intervalSec}, but must be from 0.1 to 86400`);
  }
  const host = options.host ?? hostname();
  return {
    runner: parseRunnerId(runner),
    host: host.slice(0, 255),
    pid: process.pid,
    startedAt: ownStartedAt(),
    intervalSec,
  };
}

function snapshotEverySec(options: HeartbeatOptions, env: RunnerEnvironment): number {
  const value = options.snapshotEverySec ?? env.snapshotEverySec ?? DEFAULT_SNAPSHOT_EVERY_SEC;
  if (value >= 0) return value;
  throw new AppError("invalid", `snapshotEverySec is ${value}, but must be at least 0`);
}

/** NATS where it is known, else HTTP, else NATS on this host. */
function channelOf(
  options: HeartbeatOptions,
  env: RunnerEnvironment,
  runner: RunnerId,
): OpenChannel {
  const url = options.url ?? env.natsUrl ?? env.heartbeatUrl ?? DEFAULT_URL;
  if (/^https?:/i.test(url)) {
    const key = options.key ?? env.heartbeatKey;
    return (hooks) => openHttpPost({ url, ...(key === undefined ? {} : { key }) }, hooks);
  }
  const prefix = options.prefix ?? env.subjectPrefix ?? DEFAULT_PREFIXES.subject;
  if (!isToken(prefix)) {
    throw new AppError("invalid", `prefix is "${prefix}", but must be 1-64 of A-Z a-z 0-9 _ -`);
  }
  const login = natsLogin({
    creds: options.creds ?? env.natsCreds,
    token: options.token ?? env.natsToken,
    user: options.user ?? env.natsUser,
    password: options.password ?? env.natsPassword,
  });
  const line = {
    url,
    subject: heartbeatSubject({ ...DEFAULT_PREFIXES, subject: prefix }, runner),
    name: `runbeat heartbeat ${runner}`,
    ...(login === undefined ? {} : { login }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  };
  return (hooks) => openNatsLine(line, hooks);
}

function tell(options: HeartbeatOptions, error: unknown): void {
  try {
    const told = error instanceof AppError ? error : new AppError("internal", messageOf(error));
    options.onError?.(told);
  } catch {
    // The host's own callback failed; there is nobody left to tell.
  }
}
