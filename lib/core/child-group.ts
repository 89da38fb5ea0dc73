/**
 * A child process that leads its own process group, as the parts that start one see it. The one
 * implementation is lib/runner/child-group.ts; it is handed to whoever needs it.
 */
import type { Readable, Writable } from "node:stream";

/** How a process ended: one of the two is set. Both are null where nobody could see it end. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment; ours unless given. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** From descriptor 0 on. A pipe is read by us; all of them must be read. "ipc" tells of our end. */
  readonly stdio: readonly ("ignore" | "inherit" | "pipe" | "ipc")[];
}

export interface ChildGroup {
  /** Also the id of its group. */
  readonly pid: number;
  /** When it started, epoch ms; 0 where unknown. */
  readonly startedAt: number;
  /** What it writes on a descriptor opened as "pipe". */
  output(descriptor: number): Readable;
  /** Waits, half a second at most, for the rest of what it wrote there: it outlives its writer. */
  drained(descriptor: number): Promise<void>;
  /** What it reads on a descriptor opened as "pipe". */
  input(descriptor: number): Writable;
  /** Once the leader has ended; others of its group may still live. */
  readonly ended: Promise<ChildEnd>;
  /** Sends a signal to every process of the group; none where it is gone. */
  signal(signal: NodeJS.Signals): void;
  /**
   * Ends the whole group: TERM, after 2 s TERM again, after 3 s more KILL. Answers once nothing of
   * it lives. Also for what a leader that has ended left behind.
   */
  stop(): Promise<ChildEnd>;
}

/** @throws AppError `invalid` where the command can't be started at all. */
export type SpawnGroup = (command: ChildCommand) => ChildGroup;
