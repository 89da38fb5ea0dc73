/** What starts, finds again and ends the processes of runners, as the enforcer sees it. */
import type { FleetEntry } from "../core/fleet.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { RunSeen } from "../core/observed.ts";
import type { Report } from "../core/supervision.ts";

/** Names one operating-system process of a runner on this host. */
export interface RunProcess {
  readonly pid: number;
  /** Epoch ms; 0 where unknown. */
  readonly startedAt: number;
}

/** What a driver tells of one run, in the order in which it happened. */
export interface RunReport {
  readonly runner: RunnerId;
  /** Names the run and the report's place in it: the same after the enforcer was started again. */
  readonly id: string;
  /** When it happened, epoch ms on this host's clock. */
  readonly at: number;
  /** The process that beats, as it was spawned; null where it never came to be. */
  readonly process: RunProcess | null;
  /** `spawned`, `adopted`, `stopping`, `exited` and `lost` come from here only: one event each. */
  readonly report: Report;
}

export interface DriverHooks {
  /**
   * Handed over at least once; the one that takes it makes twice the same as once, by `id`. What
   * has not resolved when the enforcer dies is handed over to the next one again.
   */
  readonly onReport: (report: RunReport) => void | Promise<void>;
  /** What `observe` answers for the runner is another now. */
  readonly onChange: (runner: RunnerId) => void;
}

/** One way to run runners. Every method may be called at any time; none throws for one runner. */
export interface Driver {
  /**
   * Finds what an earlier enforcer has left running and takes it over, and tells what happened
   * meanwhile. Called once, before anything else.
   */
  adopt(entries: readonly FleetEntry[]): Promise<void>;
  observe(runner: RunnerId): RunSeen;
  /**
   * Starts a run; what can't be started has ended. Does nothing where one lives.
   * @param attempt 0 for a first start, else which restart in a row it is.
   */
  start(entry: FleetEntry, attempt: number): void;
  /** Takes the stop ladder. Answers once nothing of the run is left. */
  stop(runner: RunnerId, reason: string): Promise<void>;
  /** Asks a camera to try again at once; false where the driver knows no such thing. */
  reconnect(runner: RunnerId): boolean;
  /** Forgets the end of the runner's last run: it was decided on. */
  settle(runner: RunnerId): void;
  /** Lets everything run on, for the next enforcer to find. */
  close(): Promise<void>;
}
