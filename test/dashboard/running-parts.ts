/** Projector, sentinel and API as programs of their own, so that each can be stopped by itself. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { eventBody } from "../../lib/core/event.ts";
import type { EventData, EventType } from "../../lib/core/event.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_PREFIXES, eventSubject } from "../../lib/core/subject.ts";
import { bareEnvironment, programArguments } from "../cmd/command-line.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

export interface RunningParts {
  readonly url: string;
  /** Of the NATS that carries the heartbeats. */
  readonly nc: NatsConnection;
  beat(runner: string, more?: Record<string, unknown>): void;
  tell<Type extends EventType>(runner: string, type: Type, data: EventData<Type>): void;
  stopApi(): Promise<void>;
  startApi(): Promise<void>;
  close(): Promise<void>;
}

const STARTED_AT = Date.now();
const HOST = "edge-1";

export interface PartsOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** A fleet file's text: an enforcer runs it. */
  readonly fleet?: string;
}

export async function startParts({ env = {}, fleet }: PartsOptions = {}): Promise<RunningParts> {
  const nats = await startNatsServer();
  const port = await freePort();
  const folder = makeTempDir("page");
  const own = {
    NATS_URL: nats.url,
    RUNBEAT_DATA_DIR: join(folder, ".runbeat"),
    RUNBEAT_HTTP_PORT: String(port),
    // Nothing falls silent by itself.
    HEARTBEAT_ONLINE_SEC: "600",
    HEARTBEAT_STALE_SEC: "1200",
    HEARTBEAT_OFFLINE_SEC: "2400",
    ...(fleet === undefined ? {} : fleetSettings(folder, fleet)),
    ...env,
  };
  const children = new Map<string, ChildProcess>();
  const start = (name: string): void => {
    const args = programArguments([name]);
    const options = { cwd: folder, env: bareEnvironment(own), stdio: "ignore" } as const;
    children.set(name, spawn(process.execPath, args, options));
  };
  const url = `http://127.0.0.1:${port}`;
  const untilReady = async (): Promise<void> => {
    await waitFor(async () => (await fetch(`${url}/readyz`)).ok, { what: "the API is ready" });
  };
  const enforcers = fleet === undefined ? [] : ["enforcer"];
  for (const name of ["projector", "sentinel", "api", ...enforcers]) start(name);
  await untilReady();
  const nc = await connect({ servers: nats.url });
  return {
    url,
    nc,
    beat: (runner, more) => beat(nc, runner, more),
    tell: (runner, type, data) => {
      const subject = eventSubject(DEFAULT_PREFIXES, runner as RunnerId, type);
      nc.publish(subject, JSON.stringify(eventBody(type, `test@${HOST}`, Date.now(), data)));
    },
    stopApi: async () => await end(children.get("api")),
    startApi: async () => {
      start("api");
      await untilReady();
    },
    close: async () => {
      await nc.close();
      await Promise.all([...children.values()].map(end));
    },
  };
}

function fleetSettings(folder: string, fleet: string): Record<string, string> {
  const file = join(folder, "fleet.yaml");
  writeFileSync(file, fleet);
  return { RUNBEAT_FLEET: file, ENFORCER_LOCK_FILE: join(folder, "enforcer.lock") };
}

export function processOf(runner: string): { host: string; pid: number; started_at: number } {
  // Any number that differs from runner to runner.
  const pid = 1_000 + Buffer.from(runner).reduce((sum, byte) => sum + byte, 0);
  return { host: HOST, pid, started_at: STARTED_AT };
}

function beat(nc: NatsConnection, runner: string, more: Record<string, unknown> = {}): void {
  const body = { ...processOf(runner), interval_sec: 10, health: "healthy", ...more };
  nc.publish(`runbeat.hb.${runner.replaceAll("/", ".")}`, JSON.stringify(body));
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
