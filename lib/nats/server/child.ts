/** The nats-server process: how it is started so that it can't outlive us, and how it is ended. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { devNull } from "node:os";

/** How long to wait for a store that is just being left. */
const LOCK_WAIT_SEC = 3;
/** `flock` ends with it where another process has the lock. */
export const LOCKED_EXIT_CODE = 75;
const TERM_TO_KILL_MS = 10_000;
const MAX_STDERR_CHARS = 8_192;

export interface ServerChild {
  readonly process: ChildProcess;
  readonly pid: number;
  /** What it wrote before its log was open. */
  stderr(): string;
  /** Once it has ended; its exit code, or null and the signal. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** TERM, and KILL after 10 s. */
  end(): Promise<void>;
}

export interface ChildOptions {
  readonly binary: string;
  readonly args: readonly string[];
  /** Locked for as long as the process lives. */
  readonly lockFile: string;
}

/** Says which of the kernel's protections this machine has not; for the log. */
export function missingProtections(): string[] {
  return [
    ...(has("setpriv") ? [] : ["setpriv (it may outlive us)"]),
    ...(has("flock") ? [] : ["flock (its store is not locked)"]),
  ];
}

/** Each wrapper becomes the next by exec, so the process id is the server's in the end. */
export function spawnServer({ binary, args, lockFile }: ChildOptions): ServerChild {
  const lock = ["-w", String(LOCK_WAIT_SEC), "-E", String(LOCKED_EXIT_CODE), "-F", lockFile];
  const command = [
    ...(has("setpriv") ? ["setpriv", "--pdeathsig", "KILL", "--"] : []),
    ...(has("flock") ? ["flock", ...lock] : []),
    binary,
    ...args,
  ];
  const [file = binary, ...rest] = command;
  // A session of its own: ctrl-C at the terminal is for us, who end the server last.
  const child = spawn(file, rest, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-MAX_STDERR_CHARS);
  });
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("error", (error) => {
      stderr += error.message;
      resolve({ code: null, signal: null });
    });
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return {
    process: child,
    pid: child.pid ?? 0,
    stderr: () => stderr,
    ended,
    end: async () => await end(child, ended),
  };
}

/** `nats-server ended with code 1`, or by which signal. */
export function describeExit({ process: child }: ServerChild): string {
  if (child.pid === undefined) return "nats-server could not be started";
  const { exitCode, signalCode } = child;
  return `nats-server ended ${signalCode === null ? `with code ${exitCode}` : `by ${signalCode}`}`;
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  const kill = setTimeout(() => child.kill("SIGKILL"), TERM_TO_KILL_MS);
  child.kill("SIGTERM");
  await ended;
  clearTimeout(kill);
}

/** What each is called with to see whether it is there and knows its options. */
const WRAPPERS = {
  setpriv: ["setpriv", "--pdeathsig", "KILL", "--", "true"],
  flock: ["flock", "--shared", "-w", "1", "-E", "75", "-F", devNull, "true"],
} as const;

const found = new Map<string, boolean>();

/** False also for a smaller tool of that name, as busybox has. */
function has(name: keyof typeof WRAPPERS): boolean {
  const known = found.get(name);
  if (known !== undefined) return known;
  const [file, ...args] = WRAPPERS[name];
  const works = spawnSync(file, args, { stdio: "ignore" }).status === 0;
  found.set(name, works);
  return works;
}
