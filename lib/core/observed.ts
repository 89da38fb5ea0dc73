/** What the enforcer sees of the world before it decides. All times are epoch ms of this host. */
import type { RunnerId } from "./runner-id.ts";
import type { Status } from "./status.ts";

/** How a runner's process is. */
export type RunSeen =
  /** None lives, and none has ended that was not decided on. */
  | { readonly kind: "none" }
  | {
      readonly kind: "running";
      /** Since when this run lives. */
      readonly since: number;
      /** Of the process that beats; null while it is not known. */
      readonly pid: number | null;
    }
  | { readonly kind: "stopping"; readonly since: number }
  | {
      readonly kind: "ended";
      readonly at: number;
      readonly ranSec: number;
      /** For people, e.g. `exit code 1`. */
      readonly reason: string;
      /** Only a changed setting can help: a wrong password, an unknown codec. */
      readonly isPermanent: boolean;
    };

/** What its heartbeats say of a runner. */
export interface BeatsSeen {
  /** Its status by the rule that the API has too, `unknown` while the pipeline is blind. */
  readonly status: Status;
  /** Arrival of the newest heartbeat of its current run; null where none came yet. */
  readonly lastAt: number | null;
  /** What it uses, as its heartbeats or a look at the process say; null where unknown. */
  readonly memoryMb: number | null;
  readonly cpuPercent: number | null;
  readonly vramMb: number | null;
}

export interface RunnerSeen {
  readonly run: RunSeen;
  readonly beats: BeatsSeen;
}

export interface Observed {
  readonly runners: ReadonlyMap<RunnerId, RunnerSeen>;
  /** Since when nothing can be told of heartbeats; null while the pipeline works. */
  readonly blindSince: number | null;
  /** When the pipeline last came back; null where it never was away. */
  readonly sightedAt: number | null;
}
