/** Keeps one of our own commands running as a child process. */
import { setTimeout as delay } from "node:timers/promises";
import type { ChildEnd, ChildGroup } from "../lib/core/child-group.ts";
import { AppError } from "../lib/core/errors.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import type { Logger } from "./log.ts";
import { ownProgram } from "./own-program.ts";

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;
/** Having run for so long, it starts with the first delay again. */
const STABLE_MS = 60_000;
const WRONG_USAGE = 2;

export interface ChildCommandOptions {
  /** The command, e.g. `api`. */
  readonly name: string;
  /** Before its name, e.g. `["--config", "x.yaml"]`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Logger;
}

export interface RunningCommand {
  /** Rejects when the command can't be kept running: its configuration is wrong. */
  readonly failed: Promise<never>;
  /** Of the process that runs now; undefined between two. */
  pid(): number | undefined;
  /** Ends it and whatever it started. */
  stop(): Promise<void>;
}

/** Starts the command, and again whenever it ends, a little later each time. */
export function startChildCommand(options: ChildCommandOptions): RunningCommand {
  const stopping = new AbortController();
  let group: ChildGroup | undefined;
  const loop = keepRunning(options, stopping.signal, (current) => (group = current));
  // Whoever waits for `failed` hears of it; nobody may.
  loop.catch(() => {});
  return {
    failed: loop.then(async () => await new Promise<never>(() => {})),
    pid: () => group?.pid,
    stop: async () => {
      stopping.abort();
      await group?.stop();
      await loop.catch(() => {});
    },
  };
}

async function keepRunning(
  options: ChildCommandOptions,
  stopping: AbortSignal,
  onChange: (group: ChildGroup | undefined) => void,
): Promise<void> {
  const { name } = options;
  let delayMs = FIRST_DELAY_MS;
  while (!stopping.aborted) {
    const startedAt = performance.now();
    const group = spawnCommand(options);
    onChange(group);
    const end = await group.ended;
    if (stopping.aborted) return;
    onChange(undefined);
    if (end.code === WRONG_USAGE) {
      throw new AppError("invalid", `runbeat ${name} refuses its configuration, as it says above`);
    }
    if (performance.now() - startedAt > STABLE_MS) delayMs = FIRST_DELAY_MS;
    options.log.error(
      { command: name, ...end, again_in_ms: delayMs },
      `the ${name} ended (${endText(end)}) and is started again`,
    );
    await delay(delayMs, undefined, { signal: stopping }).catch(() => {});
    delayMs = Math.min(2 * delayMs, MAX_DELAY_MS);
  }
}

/** Its end of the channel closes when we die: that is how it knows. */
function spawnCommand({ name, args, env }: ChildCommandOptions): ChildGroup {
  const own = ownProgram();
  return spawnGroup({
    file: own.file,
    args: [...own.args, ...args, name],
    env,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

function endText({ code, signal }: ChildEnd): string {
  if (signal !== null) return `signal ${signal}`;
  return code === null ? "in a way nobody saw" : `exit code ${code}`;
}
