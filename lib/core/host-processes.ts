/**
 * Processes of this host that outlive whoever started them, as the parts that supervise them see
 * it. The one implementation is lib/runner/host-processes.ts; it is handed to whoever needs it.
 */
import type { ChildEnd } from "./child-group.ts";

/** Identity of one process of this host: the same three values never name another process. */
export interface KernelIdentity {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

/** Variable that marks everything that belongs to one run; children inherit it. */
export const RUN_MARK = "RUNBEAT_RUN";

export interface DetachedCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where what it writes is appended to. */
  readonly outputFile: string;
}

export interface DetachedProcess {
  readonly identity: KernelIdentity;
  /** Hands its whole standard input over. */
  feed(text: string): void;
  readonly ended: Promise<ChildEnd>;
}

export interface HostProcesses {
  /**
   * Starts a process in a session of its own that lives on without us.
   * @throws AppError `unavailable` where it can't be started.
   */
  start(command: DetachedCommand): DetachedProcess;
  /** Whether this very process lives and carries the mark. */
  isAlive(identity: KernelIdentity, mark: string): boolean;
  /** Sends the signal where this very process lives and carries the mark; nobody else gets it. */
  signal(identity: KernelIdentity, mark: string, signal: NodeJS.Signals): void;
  /** Sends the signal to every process that carries the mark. @returns how many there are. */
  signalMarked(mark: string, signal: NodeJS.Signals | 0): number;
  /** The same for the group that this very process leads, where it lives. */
  signalGroupOf(leader: KernelIdentity, signal: NodeJS.Signals | 0): number;
  bootId(): string;
}
