/** The product as it runs: built once for the run, started as child processes, killed at will. */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, cpSync, existsSync, mkdirSync, openSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const STOP_MS = 20_000;
/** Where setpriv exists, nothing outlives a test process that is killed. */
const SETPRIV = "/usr/bin/setpriv";
const DIES_WITH_US = existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "KILL"] : [];

/**
 * Compiles the product into a folder of its own, so that nothing changes under a running test.
 * Below node_modules, where packages resolve.
 */
export function buildProduct(name: string): { main: string; folder: string } {
  const folder = join(ROOT, "node_modules", ".cache", name);
  mkdirSync(folder, { recursive: true });
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const project = join(ROOT, "tsconfig.build.json");
  const args = [tsc, "-p", project, "--outDir", folder, "--noCheck", "--incremental", "false"];
  execFileSync(process.execPath, [...args, "--tsBuildInfoFile", "null"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  // Pages and scripts lie beside the code that serves them.
  cpSync(join(ROOT, "lib"), join(folder, "lib"), {
    recursive: true,
    filter: (file) => !file.endsWith(".ts"),
  });
  return { main: join(folder, "cmd", "runbeat.js"), folder };
}

/** A port of the loopback address that nobody has now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface ProgramOptions {
  readonly main: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it says goes to the end of this file. */
  readonly logFile: string;
}

/** One of the product's processes, started again and again. */
export class Program {
  /** Of every process that was started. */
  readonly pids: number[] = [];
  readonly #options: ProgramOptions;
  #child: ChildProcess | undefined;
  #gone: Promise<void> = Promise.resolve();

  constructor(options: ProgramOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  start(): void {
    if (this.isRunning) throw new Error(`${this.#options.args[0] ?? ""} runs already`);
    const { main, args, env, logFile } = this.#options;
    const log = openSync(logFile, "a");
    const command = [...DIES_WITH_US, process.execPath, main, ...args];
    const [file = "", ...rest] = command;
    const child = spawn(file, rest, { env, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#child = child;
    this.#gone = new Promise((resolve) => child.once("exit", () => resolve()));
    if (child.pid !== undefined) this.pids.push(child.pid);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async kill9(): Promise<void> {
    if (!this.isRunning) return;
    this.signal("SIGKILL");
    await this.#gone;
  }

  /** Ends it in an orderly way. @throws when it does not end in time, or with another code than 0. */
  async stop(): Promise<void> {
    if (!this.isRunning) return;
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), STOP_MS);
    await this.#gone;
    clearTimeout(timer);
    const { exitCode, signalCode } = this.#child ?? {};
    if (exitCode !== 0) {
      throw new Error(
        `${this.#options.args[0] ?? ""} ended with ${exitCode ?? signalCode} on SIGTERM`,
      );
    }
  }
}
