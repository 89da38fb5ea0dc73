/** Runs the built program as a user does: another process, its own folder, a bare environment. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const program = join(resolve(import.meta.dirname, "../.."), "dist", "cmd", "runbeat.js");
const MAX_MS = 20_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Nothing of the environment of the tests but what any program needs. */
export function bareEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: process.env["HOME"], ...extra };
}

/** The arguments for node that start `runbeat` with these arguments. */
export function programArguments(args: readonly string[]): string[] {
  if (!existsSync(program)) throw new Error("dist is missing: npm run build");
  return [program, ...args];
}

/** Runs a command to its end. */
export async function runCommand(args: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = spawn(process.execPath, programArguments(args), {
    cwd: options.cwd,
    env: bareEnvironment(options.env),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: MAX_MS,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return await new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code, stdout, stderr }));
  });
}
