/** Starts commands as leaders of their own process groups and ends them without a trace. */
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { ChildCommand, ChildEnd, ChildGroup } from "../core/child-group.ts";
import { AppError } from "../core/errors.ts";
import { orphanGuard } from "./orphan-guard.ts";
import { isGroupAlive, startedAtOf } from "./process-identity.ts";

const LADDER = { termAgainMs: 2_000, killMs: 3_000 };
/** A killed process that does not end hangs in the kernel; waiting longer would not help. */
const GIVE_UP_MS = 5_000;
const POLL_MS = 20;
const LAST_WORDS_MS = 500;
const SETPRIV_PATHS = ["/usr/bin/setpriv", "/bin/setpriv", "/usr/local/bin/setpriv"];

/**
 * Starts the command in a group of its own. Nothing of it outlives us, at whatever instant we die:
 * on Linux the kernel sends it TERM, and a guard ends the rest of its group.
 * @throws AppError `invalid` where it can't be started.
 */
export function spawnGroup(command: ChildCommand): ChildGroup {
  const gate = command.stdio.length;
  const [file, args] = withDeathSignal(...behindGate(command, gate));
  const child = spawn(file, args, {
    detached: true,
    stdio: [...command.stdio, "pipe"],
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...(command.env === undefined ? {} : { env: command.env }),
  });
  // Also raised where a signal or message can't be delivered: never a reason to crash.
  child.on("error", () => {});
  if (child.pid !== undefined) {
    orphanGuard.watch(child.pid);
    openGate(child.stdio[gate] as Writable);
    return new SpawnedGroup(child, child.pid);
  }
  const where = command.cwd === undefined ? "" : ` in ${command.cwd}`;
  throw new AppError(
    "invalid",
    `${command.file} could not be started${where}: check that the program and the folder exist`,
  );
}

class SpawnedGroup implements ChildGroup {
  readonly pid: number;
  readonly startedAt: number;
  readonly ended: Promise<ChildEnd>;
  private readonly child: ChildProcess;
  private stopping: Promise<ChildEnd> | undefined;
  private isReleased = false;

  constructor(child: ChildProcess, pid: number) {
    this.child = child;
    this.pid = pid;
    this.startedAt = startedAtOf(pid);
    this.ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        this.releaseIfGone();
        resolve({ code, signal });
      });
    });
  }

  output(descriptor: number): Readable {
    return this.child.stdio[descriptor] as Readable;
  }

  async drained(descriptor: number): Promise<void> {
    const signal = AbortSignal.timeout(LAST_WORDS_MS);
    await finished(this.output(descriptor), { writable: false, signal }).catch(() => {});
  }

  input(descriptor: number): Writable {
    return this.child.stdio[descriptor] as Writable;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.isReleased) signalGroup(this.pid, signal);
  }

  async stop(): Promise<ChildEnd> {
    return await (this.stopping ??= this.climb());
  }

  /** The stop ladder. A stopped process takes TERM only once it is continued. */
  private async climb(): Promise<ChildEnd> {
    const steps = [
      { signal: "SIGTERM", waitMs: LADDER.termAgainMs },
      { signal: "SIGTERM", waitMs: LADDER.killMs },
      { signal: "SIGKILL", waitMs: GIVE_UP_MS },
    ] as const;
    for (const { signal, waitMs } of steps) {
      if (this.releaseIfGone()) break;
      this.signal(signal);
      this.signal("SIGCONT");
      await this.waitUntilGone(waitMs);
    }
    return this.releaseIfGone() ? await this.ended : { code: null, signal: null };
  }

  private async waitUntilGone(waitMs: number): Promise<void> {
    const deadline = performance.now() + waitMs;
    while (!this.releaseIfGone() && performance.now() < deadline) await delay(POLL_MS);
  }

  /** After this the number of the group may become anybody's, so it is never signalled again. */
  private releaseIfGone(): boolean {
    if (this.isReleased) return true;
    if (isGroupAlive(this.pid)) return false;
    this.isReleased = true;
    orphanGuard.release(this.pid);
    return true;
  }
}

function signalGroup(groupId: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-groupId, signal);
  } catch {
    // Nothing of it is left.
  }
}

/**
 * The command, started only when a line comes in on the descriptor. It is written once the guard
 * knows of the group; should we die before, it never comes.
 */
function behindGate({ file, args }: ChildCommand, gate: number): [string, string[]] {
  const script = `read -r go <&${gate} && exec "$@" ${gate}<&-`;
  return ["/bin/sh", ["-c", script, "sh", file, ...args]];
}

function openGate(gate: Writable): void {
  gate.on("error", () => {});
  gate.end("go\n");
}

/** `setpriv` becomes the command, so that pid and start time are the command's. */
function withDeathSignal(file: string, args: string[]): [string, string[]] {
  const setpriv = findSetpriv();
  if (setpriv === null) return [file, args];
  return [setpriv, ["--pdeathsig", "TERM", "--", file, ...args]];
}

let foundSetpriv: string | null | undefined;

/** util-linux's setpriv knows the option; busybox's does not. */
function findSetpriv(): string | null {
  if (process.platform !== "linux") return null;
  foundSetpriv ??=
    SETPRIV_PATHS.find((path) => {
      const args = ["--pdeathsig", "TERM", "--", "true"];
      return spawnSync(path, args, { stdio: "ignore" }).status === 0;
    }) ?? null;
  return foundSetpriv;
}
