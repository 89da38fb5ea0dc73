/** What every part of the bench runs on: a nats-server of its own and the project's streams. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { ownProgram } from "../../cmd/own-program.ts";
import { DEFAULT_PREFIXES, STREAM_KEYS, streamName } from "../../lib/core/subject.ts";
import type { StreamKey } from "../../lib/core/subject.ts";
import { reconcileStreams } from "../../lib/nats/streams.ts";
import { bodyOf, subjectOf } from "./fleet-load.ts";

const LIMITS = { maxAgeSec: 86_400, maxBytes: null, maxMessages: null };
/** Messages between two waits for the server while filling a stream. */
const FLUSH_EVERY = 20_000;
const READY_MS = 20_000;

export const HEARTBEATS = streamName(DEFAULT_PREFIXES, "heartbeats");

export interface Stage {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly url: string;
  readonly dir: string;
  close(): Promise<void>;
}

export async function openStage(binary: string): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), "runbeat-bench-"));
  const port = await freePort();
  const config = join(dir, "nats-server.conf");
  const store = JSON.stringify(join(dir, "nats"));
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${store}, sync_interval: always }\n`,
  );
  const server = spawn(binary, ["-c", config], { stdio: "ignore" });
  const url = `nats://127.0.0.1:${port}`;
  const nc = await connect({ servers: url, waitOnFirstConnect: true, maxReconnectAttempts: -1 });
  const jsm = await jetstreamManager(nc);
  await makeStreams(nc);
  return {
    nc,
    jsm,
    url,
    dir,
    close: async () => {
      await nc.close();
      server.kill("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function streamLimits(): Record<StreamKey, typeof LIMITS> {
  const limits = STREAM_KEYS.map((key) => [key, LIMITS]);
  return Object.fromEntries(limits) as Record<StreamKey, typeof LIMITS>;
}

export async function makeStreams(nc: NatsConnection): Promise<void> {
  await reconcileStreams(nc, { prefixes: DEFAULT_PREFIXES, limits: streamLimits() });
}

/** Empties every stream and makes them anew. */
export async function resetStreams({ nc, jsm }: Stage): Promise<void> {
  await deleteStreams(jsm);
  await makeStreams(nc);
}

export async function deleteStreams(jsm: JetStreamManager): Promise<void> {
  const names: string[] = [];
  for await (const name of jsm.streams.names()) names.push(name);
  for (const name of names) await jsm.streams.delete(name);
}

/** Fills the heartbeat stream: `perRunner` heartbeats of each of `runners` runners. */
export async function fill(
  { nc, jsm }: Stage,
  runners: number,
  perRunner: number,
): Promise<number> {
  let count = 0;
  for (let seq = 0; seq < perRunner; seq++) {
    for (let runner = 0; runner < runners; runner++) {
      nc.publish(subjectOf(runner), bodyOf(runner, seq));
      count += 1;
      if (count % FLUSH_EVERY === 0) await nc.flush();
    }
  }
  await nc.flush();
  await until(async () => (await jsm.streams.info(HEARTBEATS)).state.messages >= count);
  return count;
}

/** Waits for a condition. @throws after a deadline. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 120_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error("the bench waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts one of Runbeat's own commands on this stage, as `up` does. */
export function startCommand(
  stage: Stage,
  dataDir: string,
  args: readonly string[],
  env: Record<string, string> = {},
): ChildProcess {
  const common = ["--data-dir", dataDir, "--nats-url", stage.url, "--log-level", "error"];
  const own = ownProgram();
  return spawn(own.file, [...own.args, ...common, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, ...env },
  });
}

/** Runs one of them to its end. @throws when it fails. */
export async function runCommand(
  stage: Stage,
  dataDir: string,
  args: readonly string[],
): Promise<void> {
  const child = startCommand(stage, dataDir, args);
  const code = await new Promise((resolve) => child.once("exit", resolve));
  if (code !== 0) throw new Error(`runbeat ${args.join(" ")} ended with ${String(code)}`);
}

export async function stopCommand(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), READY_MS);
  await exited;
  clearTimeout(timer);
}

/** Resident memory of a process in MB: at present and at its highest. */
export function memoryOf(pid: number): { nowMb: number; peakMb: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { nowMb: field("VmRSS"), peakMb: field("VmHWM") };
}
