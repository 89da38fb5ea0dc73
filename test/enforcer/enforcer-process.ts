/** `runbeat enforcer` as its own process, beside a real nats-server with the project's streams. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { decodeEvent } from "../../lib/core/event.ts";
import type { RunnerEvent } from "../../lib/core/event.ts";
import {
  DEFAULT_PREFIXES,
  eventOfTokens,
  streamName,
  subjectPrefix,
} from "../../lib/core/subject.ts";
import { openReader } from "../../lib/nats/ordered-reader.ts";
import { programArguments, runCommand } from "../cmd/command-line.ts";
import type { Outcome } from "../cmd/command-line.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

/** Short, so that a story of minutes takes seconds; back-off and attempts are as in the seed. */
const SETTINGS = {
  HEARTBEAT_INTERVAL_SEC: "0.3",
  HEARTBEAT_ONLINE_SEC: "1",
  HEARTBEAT_STALE_SEC: "1.5",
  HEARTBEAT_OFFLINE_SEC: "10",
  ENFORCER_INTERVAL_SECONDS: "0.4",
  START_GRACE_SEC: "5",
  RESTART_BACKOFF_SECS: "0.2,0.4,0.8",
  RUNBEAT_RESTART_OUTAGE_GRACE_SEC: "1",
  RUNBEAT_CHECKS_EVERY_SEC: "600",
};

export interface Told {
  readonly runner: string;
  readonly type: string;
  /** When the stream stored it, epoch ms. */
  readonly timeMs: number;
  readonly event: RunnerEvent;
}

export interface Host {
  readonly folder: string;
  readonly nats: TestNatsServer;
  /** Everything that the stream of events holds, in order. */
  readonly told: readonly Told[];
  of(runner: string, type?: string): Told[];
  types(runner: string): string[];
  writeFleet(text: string): void;
  /** Starts an enforcer. */
  start(env?: Record<string, string>): EnforcerProcess;
  /** Runs another command beside it. */
  run(...args: string[]): Promise<Outcome>;
}

export interface EnforcerProcess {
  readonly pid: number;
  readonly ended: Promise<number | null>;
  output(): string;
  kill(signal: NodeJS.Signals): void;
}

const running: EnforcerProcess[] = [];
const connections: NatsConnection[] = [];

afterAll(async () => {
  for (const process of running.splice(0)) {
    process.kill("SIGTERM");
    await process.ended;
  }
  await Promise.all(connections.splice(0).map(async (nc) => await nc.close()));
});

export async function openHost(fleet: string): Promise<Host> {
  const nats = await startNatsServer();
  const nc = await connect({ servers: nats.url, maxReconnectAttempts: -1 });
  connections.push(nc);
  await makeStreams(nc);
  const told = await followEvents(nc);
  const folder = makeTempDir("host");
  const fleetFile = join(folder, "fleet.yaml");
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(fleetFile, fleet);
  const env = {
    ...SETTINGS,
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    NATS_URL: nats.url,
    RUNBEAT_DATA_DIR: join(folder, "data"),
    RUNBEAT_FLEET: fleetFile,
  };
  const of = (runner: string, type?: string): Told[] =>
    told.filter((one) => one.runner === runner && (type === undefined || one.type === type));
  return {
    folder,
    nats,
    told,
    of,
    types: (runner) => of(runner).map(({ type }) => type),
    writeFleet: (text) => writeFileSync(fleetFile, text),
    start: (more = {}) => startProcess(programArguments(["enforcer"]), { ...env, ...more }, folder),
    run: async (...args) => await runCommand(args, { cwd: folder, env }),
  };
}

async function followEvents(nc: NatsConnection): Promise<Told[]> {
  const told: Told[] = [];
  const prefix = subjectPrefix(DEFAULT_PREFIXES, "events");
  let next = 1;
  const read = async (): Promise<void> => {
    const reader = await openReader({
      nc,
      jsm: await jetstreamManager(nc),
      stream: streamName(DEFAULT_PREFIXES, "events"),
      start: { fromSeq: next },
      onMessage: ({ subject, data, timeMs, seq }) => {
        next = seq + 1;
        const named = eventOfTokens(subject.slice(prefix.length));
        const decoded = named && decodeEvent(named.type, data);
        if (named !== undefined && decoded?.ok === true) {
          told.push({ ...named, timeMs, event: decoded.event });
        }
        return true;
      },
    });
    await reader.ended;
  };
  void (async () => {
    while (!nc.isClosed()) await read().catch(async () => await nc.flush().catch(() => {}));
  })();
  await nc.flush();
  return told;
}

function startProcess(args: string[], env: Record<string, string>, cwd: string): EnforcerProcess {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const started: EnforcerProcess = {
    pid: child.pid ?? 0,
    ended: new Promise((resolve) => void child.once("exit", (code) => resolve(code))),
    output: () => output,
    kill: (signal) => void child.kill(signal),
  };
  running.push(started);
  return started;
}

/** The pid of the runner's newest process, once it was announced so often. */
export async function spawnedPid(host: Host, runner: string, times = 1): Promise<number> {
  return await waitFor(
    () => {
      const spawned = host.of(runner, "process_spawned");
      return spawned.length >= times && (spawned.at(-1)?.event.process?.pid ?? null);
    },
    { timeoutMs: 30_000, what: `${runner} spawned ${times} times` },
  );
}
