/** What two simulations of the same past have in common, and what only one of them has. */
import type { Alert } from "./alert.ts";
import { AppError } from "./errors.ts";
import type { SimulatedOrder } from "./simulated-enforcer.ts";
import type { SimulatedChange } from "./simulated-statuses.ts";
import type { SampleCause } from "./snapshot.ts";

export type Side = "baseline" | "changed";

/** How a thing differs: only as it is, only under the changed settings, or at another time. */
export type Difference = "missed" | "added" | "moved";

export interface Tally {
  baseline: number;
  changed: number;
  missed: number;
  added: number;
  /** In both, at another time. */
  moved: number;
}

export interface WhatIfExample {
  readonly difference: Difference;
  readonly what: "status" | "restart" | "snapshot" | "alert";
  readonly runner: string;
  /** Epoch ms; as it is, unless it is added. */
  readonly at: number;
  /** By how much later it is under the changed settings; 0 unless moved. */
  readonly byMs: number;
  /** `online to stale`, `restart 2`, `exhausted`, `denied`, `error`, … */
  readonly text: string;
}

export interface WhatIfTotals {
  readonly transitions: Tally;
  /** By `online to stale` and the like. */
  readonly transitionsBy: ReadonlyMap<string, Tally>;
  readonly restarts: Tally;
  readonly exhausted: Tally;
  readonly denied: Tally;
  readonly snapshots: Tally;
  readonly alerts: Tally;
}

/** Examples kept of each kind; the totals count all. */
const MAX_EXAMPLES = 200;
/** Things that only one side has so far; a range with more is too long to be compared. */
const MAX_OPEN = 2_000_000;

interface Open {
  readonly side: Side;
  readonly at: number;
  readonly what: "status" | "restart" | "alert";
  readonly runner: string;
  readonly text: string;
  readonly tallies: readonly Tally[];
}

export class WhatIfComparison {
  readonly transitions = newTally();
  readonly transitionsBy = new Map<string, Tally>();
  readonly restarts = newTally();
  readonly exhausted = newTally();
  readonly denied = newTally();
  readonly snapshots = newTally();
  readonly alerts = newTally();
  readonly examples: WhatIfExample[] = [];
  readonly #exampleCounts = new Map<string, number>();
  /** By what they are about; more than one where the same happens again from the same cause. */
  readonly #open = new Map<string, Open[]>();
  #openCount = 0;
  readonly #isReported: (runner: string) => boolean;

  /** @param isReported whose differences count. */
  constructor(isReported: (runner: string) => boolean) {
    this.#isReported = isReported;
  }

  takeChange(side: Side, { runner, at, from, to, anchor }: SimulatedChange): void {
    const text = `${from} to ${to}`;
    let by = this.transitionsBy.get(text);
    if (by === undefined) this.transitionsBy.set(text, (by = newTally()));
    const tallies = [this.transitions, by];
    this.#take(`${runner} ${text} ${anchor}`, { side, at, what: "status", runner, text, tallies });
  }

  takeOrder(side: Side, { runner, at, kind, attempt, anchor }: SimulatedOrder): void {
    const tally = { restart: this.restarts, exhausted: this.exhausted, denied: this.denied }[kind];
    const text = kind === "restart" ? `restart, attempt ${attempt}` : `restart ${kind}`;
    const open: Open = { side, at, what: "restart", runner, text, tallies: [tally] };
    this.#take(`${runner} ${kind} ${attempt} ${anchor}`, open);
  }

  takeAlert(side: Side, { type, group, members }: Alert, at: number): void {
    const member = members.find(({ name }) => this.#isReported(name));
    if (member === undefined) return;
    const text = `alert ${type} (${group})`;
    const open: Open = {
      side,
      at,
      what: "alert",
      runner: member.name,
      text,
      tallies: [this.alerts],
    };
    this.#take(`${type} ${group}`, open);
  }

  takeSnapshot(
    runner: string,
    at: number,
    baseline: SampleCause | undefined,
    changed: SampleCause | undefined,
  ): void {
    if ((baseline ?? changed) === undefined || !this.#isReported(runner)) return;
    if (baseline !== undefined) this.snapshots.baseline += 1;
    if (changed !== undefined) this.snapshots.changed += 1;
    if ((baseline === undefined) === (changed === undefined)) return;
    const difference = changed === undefined ? "missed" : "added";
    this.snapshots[difference] += 1;
    const text = baseline ?? changed ?? "";
    this.#keep({ difference, what: "snapshot", runner, at, byMs: 0, text: `snapshot (${text})` });
  }

  /** What is still open has no counterpart. Call once, at the end. */
  finish(): void {
    for (const [key, opens] of this.#open) {
      for (const { side, at, what, runner, text, tallies } of opens) {
        const difference = side === "baseline" ? "missed" : "added";
        for (const tally of tallies) tally[difference] += 1;
        this.#keep({ difference, what, runner, at, byMs: 0, text });
      }
      this.#open.delete(key);
    }
    this.examples.sort((a, b) => a.at - b.at);
  }

  #take(key: string, thing: Open): void {
    if (!this.#isReported(thing.runner)) return;
    for (const tally of thing.tallies) tally[thing.side] += 1;
    const opens = this.#open.get(key) ?? [];
    const index = opens.findIndex(({ side }) => side !== thing.side);
    const other = opens[index];
    if (other === undefined) return this.#leaveOpen(key, opens, thing);
    opens.splice(index, 1);
    this.#openCount -= 1;
    if (opens.length === 0) this.#open.delete(key);
    if (other.at !== thing.at) this.#moved(other, thing);
  }

  #leaveOpen(key: string, opens: Open[], thing: Open): void {
    opens.push(thing);
    this.#open.set(key, opens);
    this.#openCount += 1;
    if (this.#openCount <= MAX_OPEN) return;
    throw new AppError(
      "invalid",
      `More than ${MAX_OPEN} things differ: choose a shorter range with --from and --to`,
    );
  }

  #moved(one: Open, other: Open): void {
    const [before, after] = one.side === "baseline" ? [one, other] : [other, one];
    for (const tally of one.tallies) tally.moved += 1;
    const { what, runner, at, text } = before;
    this.#keep({ difference: "moved", what, runner, at, byMs: after.at - at, text });
  }

  #keep(example: WhatIfExample): void {
    const kind = `${example.what} ${example.difference}`;
    const count = this.#exampleCounts.get(kind) ?? 0;
    if (count >= MAX_EXAMPLES) return;
    this.#exampleCounts.set(kind, count + 1);
    this.examples.push(example);
  }
}

function newTally(): Tally {
  return { baseline: 0, changed: 0, missed: 0, added: 0, moved: 0 };
}

/** Whether the changed settings make no difference at all. */
export function isSame({
  transitions,
  restarts,
  exhausted,
  denied,
  snapshots,
  alerts,
}: WhatIfTotals): boolean {
  return [transitions, restarts, exhausted, denied, snapshots, alerts].every(
    ({ missed, added, moved }) => missed + added + moved === 0,
  );
}
