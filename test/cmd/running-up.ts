/** A real `runbeat up` of a test's own: its own folder, its own ports, and a look at what it runs. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "vitest";
import { readUpRecord } from "../../cmd/up-record.ts";
import type { UpRecord } from "../../cmd/up-record.ts";
import { natsServerBinary } from "../support/nats-server.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { bareEnvironment, programArguments } from "./command-line.ts";

const START_MS = 60_000;
const END_MS = 20_000;

export interface UpOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** Started by a shell, as npm does it. */
  readonly underShell?: boolean;
}

export interface RunningUp {
  /** The current folder of its user; the data folder is `.runbeat` in it. */
  readonly folder: string;
  readonly dataDir: string;
  /** Of what the test started: the program or the shell around it. */
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it said so far. */
  output(): string;
  /** Its addresses, once it is up. */
  record(): Promise<UpRecord>;
  environment(): Record<string, string>;
}

const started: RunningUp[] = [];

afterEach(async () => {
  for (const up of started.splice(0)) {
    up.child.kill("SIGKILL");
    for (const { pid } of processesOf(up.folder)) killIfAlive(pid);
    await waitFor(() => processesOf(up.folder).length === 0, { timeoutMs: END_MS });
  }
});

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}

export function startUp({ env = {}, args = [], underShell = false }: UpOptions = {}): RunningUp {
  const folder = makeTempDir("up");
  const dataDir = join(folder, ".runbeat");
  const own = {
    RUNBEAT_DATA_DIR: dataDir,
    RUNBEAT_NATS_SERVER: natsServerBinary(),
    RUNBEAT_NATS_PORT: "0",
    RUNBEAT_HTTP_PORT: "0",
    HEARTBEAT_INTERVAL_SEC: "1",
    ...env,
  };
  const words = [process.execPath, ...programArguments(["up", ...args])];
  const [file = "", ...rest] = underShell ? ["sh", "-c", `${quoted(words)}; true`] : words;
  const child = spawn(file, rest, {
    cwd: folder,
    env: bareEnvironment(own),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const up: RunningUp = {
    folder,
    dataDir,
    child,
    ended: new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve({ code, signal }));
    }),
    output: () => output,
    record: async () => await recordOf(up),
    environment: () => own,
  };
  started.push(up);
  return up;
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(" ");
}

async function recordOf(up: RunningUp): Promise<UpRecord> {
  try {
    return await waitFor(() => readUpRecord(up), { timeoutMs: START_MS, what: "runbeat up" });
  } catch (error) {
    throw new Error(`it is not up. It said:\n${up.output()}`, { cause: error });
  }
}

export interface SeenProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every process that has the folder in its arguments or environment: ours and their children. */
export function processesOf(folder: string): SeenProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      const command = textOf(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      const isOurs = command.includes(folder) || textOf(`/proc/${name}/environ`).includes(folder);
      return isOurs && command !== "" ? [{ pid: Number(name), command }] : [];
    });
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Waits until nothing of it is left; names what is. */
export async function untilGone(up: RunningUp): Promise<void> {
  try {
    await waitFor(() => processesOf(up.folder).length === 0, { timeoutMs: END_MS });
  } catch (error) {
    const left = processesOf(up.folder).map(({ pid, command }) => `${pid} ${command}`);
    throw new Error(`still running:\n${left.join("\n")}`, { cause: error });
  }
}
