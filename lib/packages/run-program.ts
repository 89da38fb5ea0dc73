import { spawn } from "node:child_process";

/** Output beyond this is cut at the front. */
const MAX_OUTPUT_CHARS = 1_000_000;
const TAIL_LINES = 3;

export interface RunOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  /** Null where a signal ended it; `failure` says which. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Empty when it ended with 0, else why it did not. */
  readonly failure: string;
}

/** Runs a program in the C locale to its end; whatever goes wrong is in the result. */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  const child = spawn("env", ["LC_ALL=C", file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const ended = await new Promise<{ code: number | null; why: string }>((resolve) => {
    child.once("error", (error) => resolve({ code: null, why: error.message }));
    child.once("close", (code, signal) => resolve({ code, why: signal ?? "" }));
  });
  clearTimeout(timer);
  const failure = ended.code === 0 ? "" : describe(ended, stderr.text || stdout.text);
  return { code: ended.code, stdout: stdout.text, stderr: stderr.text, failure };
}

function collect(stream: NodeJS.ReadableStream): { text: string } {
  const output = { text: "" };
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    output.text = (output.text + chunk).slice(-MAX_OUTPUT_CHARS);
  });
  return output;
}

function describe(ended: { code: number | null; why: string }, output: string): string {
  const tail = output.trim().split("\n").slice(-TAIL_LINES).join(" | ").trim();
  return tail === "" ? `it ended with ${ended.code ?? ended.why}` : tail;
}
