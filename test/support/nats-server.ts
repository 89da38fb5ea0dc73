/** A real nats-server with JetStream for one test file: a free port and a store folder of its own. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll } from "vitest";
import { makeTempDir } from "./temp-dir.ts";
import { waitFor } from "./wait-for.ts";

const READY_MS = 15_000;
const MAX_LOG_CHARS = 65_536;
const SETPRIV = "/usr/bin/setpriv";

export interface NatsServerOptions {
  /** A free one unless given. */
  readonly port?: number;
  /** A new temporary folder unless given. */
  readonly storeDir?: string;
  /** Bytes; 1 MB unless given. */
  readonly maxPayload?: number;
  /** Most that JetStream may store, e.g. `3GB`. */
  readonly maxFileStore?: string;
  /** Lines put at the end of the configuration file, e.g. an `authorization` block. */
  readonly config?: string;
  /** False: without JetStream. */
  readonly jetstream?: boolean;
}

export interface TestNatsServer {
  readonly url: string;
  readonly port: number;
  readonly storeDir: string;
  /** Of the process that runs now or ran last. */
  readonly pid: number;
  /** Ends it in an orderly way; the store stays, so that `restart` can follow. */
  stop(): Promise<void>;
  /** Ends it as a crash does. */
  kill9(): Promise<void>;
  /** It stands still and answers nobody, until it is thawed. */
  freeze(): Promise<void>;
  thaw(): void;
  /** Starts it again on the same port and store, after stopping it where it still runs. */
  restart(): Promise<void>;
}

/** The binary that global-setup found or fetched. */
export function natsServerBinary(): string {
  const path = process.env["RUNBEAT_TEST_NATS_SERVER"];
  if (path === undefined || path === "") {
    throw new Error("RUNBEAT_TEST_NATS_SERVER is not set: test/support/global-setup.ts sets it");
  }
  return path;
}

const started: TestNatsServer[] = [];

// Registered after temp-dir's hook, so it runs before the store folders go.
afterAll(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
});

/** Starts a server and waits until it takes connections. It is stopped after the file's last test. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<TestNatsServer> {
  const storeDir = options.storeDir ?? makeTempDir("nats");
  let running = await launch(options, storeDir, options.port ?? -1);
  const { port } = running;
  const stop = async (signal: NodeJS.Signals): Promise<void> => await end(running.child, signal);
  const server: TestNatsServer = {
    url: `nats://127.0.0.1:${port}`,
    port,
    storeDir,
    get pid() {
      return running.child.pid ?? 0;
    },
    stop: async () => await stop("SIGTERM"),
    kill9: async () => await stop("SIGKILL"),
    freeze: async () => await freeze(server.pid),
    thaw: () => void running.child.kill("SIGCONT"),
    restart: async () => {
      await stop("SIGTERM");
      running = await launch(options, storeDir, port);
    },
  };
  started.push(server);
  return server;
}

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
}

async function launch(
  options: NatsServerOptions,
  storeDir: string,
  port: number,
): Promise<Running> {
  const file = join(makeTempDir("nats-config"), "nats-server.conf");
  writeFileSync(file, configText(options, storeDir, port));
  const child = spawnServer(["-c", file]);
  return { child, port: await listeningPort(child) };
}

function configText(options: NatsServerOptions, storeDir: string, port: number): string {
  const jetstream = [
    `jetstream {`,
    `store_dir: ${JSON.stringify(storeDir)}`,
    `sync_interval: always`,
    options.maxFileStore === undefined ? "" : `max_file_store: ${options.maxFileStore}`,
    `}`,
  ].join("\n");
  return [
    `listen: "127.0.0.1:${port}"`,
    `max_payload: ${options.maxPayload ?? 1_048_576}`,
    options.jetstream === false ? "" : jetstream,
    options.config ?? "",
  ].join("\n");
}

/** Where setpriv exists, the server also dies with a test process that is killed. */
function spawnServer(args: readonly string[]): ChildProcess {
  const stdio = ["ignore", "ignore", "pipe"] as const;
  const binary = natsServerBinary();
  return existsSync(SETPRIV)
    ? spawn(SETPRIV, ["--pdeathsig", "KILL", binary, ...args], { stdio: [...stdio] })
    : spawn(binary, [...args], { stdio: [...stdio] });
}

async function listeningPort(child: ChildProcess): Promise<number> {
  let log = "";
  return await new Promise<number>((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`nats-server ${why}. Its log:\n${log}`));
    };
    const timer = setTimeout(() => fail(`was not ready in ${READY_MS} ms`), READY_MS);
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => fail(`ended (${code ?? signal})`));
    // Read on for as long as it lives: a full pipe would stop the server.
    child.stderr?.on("data", (chunk: Buffer) => {
      if (log.length > MAX_LOG_CHARS) return;
      log += chunk.toString();
      const port = /client connections on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      if (port === undefined || !log.includes("Server is ready")) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
  });
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill(signal);
  // One that stands still would not end.
  child.kill("SIGCONT");
  await gone;
}

/** Each of its threads stops by itself: until the last one has it may answer. */
async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  await waitFor(() => / T /.test(readFileSync(`/proc/${pid}/stat`, "utf8")));
}
