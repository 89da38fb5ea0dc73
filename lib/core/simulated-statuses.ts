/** Which changes of status there are under some thresholds, given what was heard and when. */
import type { AnnouncedProcess, BeatingProcess, CurrentProcess } from "./current-process.ts";
import type { Health } from "./heartbeat.ts";
import { changesBetween } from "./status-changes.ts";
import { CLEAR_VIEW, statusOf } from "./status.ts";
import type { Liveness, PipelineView, Status, Thresholds } from "./status.ts";

/** What a runner's status follows from, whatever the settings. */
export interface SimulatedFacts {
  readonly liveness: Liveness;
  /** Of the fleet file. */
  readonly thresholds: Partial<Thresholds>;
  readonly retired: boolean;
  readonly paused: boolean;
  /** By the fleet file. */
  readonly isDeclared: boolean;
  readonly current: CurrentProcess<EndedProcess> | undefined;
  readonly beat: (BeatingProcess & { readonly health: Health | null }) | undefined;
}

type EndedProcess = AnnouncedProcess & {
  readonly exit_code: number | null;
  readonly signal: string | null;
};

export interface SimulatedChange {
  readonly runner: string;
  /** Epoch ms. */
  readonly at: number;
  readonly from: Status;
  readonly to: Status;
  readonly cause: string;
  /** What it follows from: the last heartbeat, start or end before it. The same under any settings. */
  readonly anchor: number;
}

/** What lasts shorter than from one look of the sentinel to the next is told by nobody. */
const LOOK_MS = 200;

interface Followed {
  /** A change that is told unless it is over at once. */
  pending: SimulatedChange | undefined;
  facts: SimulatedFacts;
  /** Up to there, not included, its changes are known. */
  at: number;
  told: Status;
}

export class SimulatedStatuses {
  readonly #thresholds: Thresholds;
  readonly #onChange: (change: SimulatedChange) => void;
  readonly #runners = new Map<string, Followed>();
  #view: PipelineView = CLEAR_VIEW;

  constructor(thresholds: Thresholds, onChange: (change: SimulatedChange) => void) {
    this.#thresholds = thresholds;
    this.#onChange = onChange;
  }

  /** A runner as it is at the beginning. @param told the status that was told of it last. */
  begin(runner: string, facts: SimulatedFacts, told: Status, at: number): void {
    this.#runners.set(runner, { facts, at, told, pending: undefined });
  }

  statusAt(facts: SimulatedFacts, now: number): Status {
    return statusOf(facts.liveness, now, this.#of(facts), this.#view).status;
  }

  /** From this time on the runner is like that. */
  take(runner: string, facts: SimulatedFacts, time: number): void {
    const known = this.#runners.get(runner);
    if (known === undefined) {
      this.#runners.set(runner, { facts, at: time, told: "unknown", pending: undefined });
      return;
    }
    this.#advance(runner, known, time);
    known.facts = facts;
  }

  /** Nothing came from anybody between the two times: that was no runner's silence. */
  takeGap(from: number, to: number): void {
    for (const [runner, known] of this.#runners) {
      this.#advance(runner, known, from + 1);
      known.at = Math.max(known.at, to);
    }
    this.#view = { blindSince: null, lastBlind: { from, to } };
  }

  /** The range ends here. */
  finish(to: number): void {
    for (const [runner, known] of this.#runners) {
      this.#advance(runner, known, to + 1);
      if (known.pending !== undefined) this.#onChange(known.pending);
      known.pending = undefined;
    }
  }

  #of(facts: SimulatedFacts): Thresholds {
    return { ...this.#thresholds, ...facts.thresholds };
  }

  #advance(runner: string, known: Followed, until: number): void {
    if (until <= known.at) return;
    const { facts } = known;
    const span = { from: known.at, to: until - 1 };
    known.at = until;
    if (facts.retired) return;
    for (const change of changesBetween(
      known.told,
      facts.liveness,
      span,
      this.#of(facts),
      this.#view,
    )) {
      // That nothing could be told is no change of the runner's.
      if (change.to === "unknown" || change.to === known.told) continue;
      const anchor = anchorOf(facts.liveness);
      const { at, to, cause } = change;
      this.#hold(known, { runner, at, from: known.told, to, cause, anchor });
      known.told = to;
    }
  }

  #hold(known: Followed, change: SimulatedChange): void {
    const { pending } = known;
    known.pending = change;
    if (pending === undefined) return;
    if (change.at - pending.at >= LOOK_MS) return this.#onChange(pending);
    const isUndone = change.to === pending.from;
    known.pending = isUndone ? undefined : { ...change, from: pending.from };
  }
}

function anchorOf({
  lastHeartbeatAt,
  beatingSince,
  endedAt,
  spawnedAt,
  declaredAt,
}: Liveness): number {
  // A run of beating is one fact, however many heartbeats it has when its status is looked at.
  if (endedAt !== null) return endedAt;
  return lastHeartbeatAt ?? beatingSince ?? spawnedAt ?? declaredAt ?? 0;
}
