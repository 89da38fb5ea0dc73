/**
 * What would have been under other settings: one pass over what was recorded, which drives two
 * simulations that differ by their settings alone.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import type { Fleet } from "../core/fleet.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { Simulation } from "../core/simulation.ts";
import type { SimulationSettings } from "../core/simulation.ts";
import { isSame, WhatIfComparison } from "../core/what-if-comparison.ts";
import type { Side, WhatIfExample, WhatIfTotals } from "../core/what-if-comparison.ts";
import type { Prefixes } from "../core/subject.ts";
import { decoderOf } from "../projector/decode.ts";
import type { Decoder } from "../projector/decode.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { EventMessage, FoldedStream, HeartbeatMessage } from "../../projections/projection.ts";
import { mergedReader } from "./merged-reader.ts";
import { RecordedFleet } from "./recorded-fleet.ts";
import type { MergedMessage } from "./stream-feed.ts";

/** The enforcer of a host beats as this runner. */
const ENFORCER_RUNNER = /^service\/enforcer\/(.+)$/;
/** With fewer that beat, a time in which nothing comes may well be theirs. */
const MIN_BEATING = 3;
/** Progress is told after so many messages. */
const SAY_EVERY = 100_000;

export interface WhatIfPassOptions {
  readonly prefixes: Prefixes;
  readonly baseline: SimulationSettings;
  readonly changed: SimulationSettings;
  /** The fleet file's, as it is now; undefined where there is none. */
  readonly fleet: Fleet | undefined;
  /** Epoch ms, both included. */
  readonly from: number;
  readonly to: number;
  /** The read models as they were when the range began; undefined: nothing was before. */
  readonly state: SqliteDatabase | undefined;
  readonly isReported: (runner: string) => boolean;
  readonly onProgress?: (messages: number, time: number) => void;
}

export interface WhatIfOptions extends WhatIfPassOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly signal?: AbortSignal | undefined;
}

export interface Recorded {
  readonly heartbeats: number;
  readonly events: number;
  /** What the pipeline of then has told, for comparison. */
  readonly transitions: number;
  readonly restarts: number;
}

export interface WhatIfReport extends WhatIfTotals {
  readonly isSame: boolean;
  readonly runners: number;
  readonly recorded: Recorded;
  readonly examples: readonly WhatIfExample[];
}

/** @throws AppError `unavailable` where the streams can't be read to the end of the range. */
export async function whatIf(options: WhatIfOptions): Promise<WhatIfReport> {
  const run = new WhatIfPass(options);
  const { nc, jsm, prefixes, from, to, signal } = options;
  const streams = ["heartbeats", "events"] as const;
  for await (const message of mergedReader({ nc, jsm, prefixes, streams, from, to, signal })) {
    run.take(message);
  }
  if (signal?.aborted === true) throw new AppError("unavailable", "It was stopped before its end");
  return run.finish();
}

/** The pass itself, fed message by message in the order of time. */
export class WhatIfPass {
  readonly #options: WhatIfPassOptions;
  readonly #fleet: RecordedFleet;
  readonly #comparison: WhatIfComparison;
  readonly #baseline: Simulation;
  readonly #changed: Simulation;
  readonly #decoders: Record<"heartbeats" | "events", Decoder<FoldedStream>>;
  readonly #recorded = { heartbeats: 0, events: 0, transitions: 0, restarts: 0 };
  readonly #beating = new Set<string>();
  #lastBeatAt: number | undefined;

  constructor(options: WhatIfPassOptions) {
    const { prefixes, state, from, isReported } = options;
    this.#options = options;
    this.#fleet = new RecordedFleet(options.fleet);
    this.#comparison = new WhatIfComparison(isReported);
    this.#baseline = this.#simulation("baseline");
    this.#changed = this.#simulation("changed");
    this.#decoders = {
      heartbeats: decoderOf("heartbeats", prefixes),
      events: decoderOf("events", prefixes),
    };
    if (state === undefined) return;
    // Both begin with what was told under the settings as they are.
    const told = this.#fleet.begin(state, (facts) => this.#baseline.statusAt(facts, from));
    for (const runner of told) {
      this.#baseline.begin(runner);
      this.#changed.begin(runner);
    }
  }

  take(message: MergedMessage): void {
    const key = message.key === "events" ? "events" : "heartbeats";
    const { subject, data, seq, time: timeMs, headers } = message;
    const decoded = this.#decoders[key]({ subject, data, seq, timeMs, headers, pending: 0 });
    if (key === "heartbeats") this.#recorded.heartbeats += 1;
    else this.#recorded.events += 1;
    if (decoded !== undefined && key === "heartbeats") this.#takeBeat(decoded as HeartbeatMessage);
    if (decoded !== undefined && key === "events") this.#takeEvent(decoded as EventMessage);
    const count = this.#recorded.heartbeats + this.#recorded.events;
    if (count % SAY_EVERY === 0) this.#options.onProgress?.(count, timeMs);
  }

  finish(): WhatIfReport {
    const { to } = this.#options;
    this.#takeGap(to);
    this.#baseline.finish(to);
    this.#changed.finish(to);
    const comparison = this.#comparison;
    comparison.finish();
    const { transitions, transitionsBy, restarts, exhausted, denied, snapshots, alerts } =
      comparison;
    return {
      transitions,
      transitionsBy,
      restarts,
      exhausted,
      denied,
      snapshots,
      alerts,
      examples: comparison.examples,
      isSame: isSame(comparison),
      runners: this.#fleet.size,
      recorded: this.#recorded,
    };
  }

  #simulation(side: Side): Simulation {
    const { fleet, from } = this.#options;
    return new Simulation({
      settings: this.#options[side],
      lists: { restartAllow: fleet?.restartAllow, restartDeny: fleet?.restartDeny ?? [] },
      from,
      onChange: (change) => this.#comparison.takeChange(side, change),
      onOrder: (order) => this.#comparison.takeOrder(side, order),
      onAlert: (alert, at) => this.#comparison.takeAlert(side, alert, at),
    });
  }

  #takeBeat(message: HeartbeatMessage): void {
    const { time, heartbeat } = message;
    const runner = message.runner.runner as RunnerId;
    this.#takeGap(time);
    this.#lastBeatAt = time;
    this.#beating.add(runner);
    const host = ENFORCER_RUNNER.exec(runner)?.[1];
    const facts = this.#fleet.takeBeat(message);
    const beat = this.#fleet.beatOf(runner);
    if (beat === undefined) return;
    const causes = [this.#baseline, this.#changed].map((simulation) => {
      if (host !== undefined) simulation.takeSelf(host, time);
      return simulation.takeBeat(runner, facts, beat, heartbeat);
    });
    this.#comparison.takeSnapshot(runner, time, causes[0], causes[1]);
  }

  #takeEvent(message: EventMessage): void {
    const { time, event } = message;
    const runner = message.runner.runner as RunnerId;
    const managed = this.#fleet.managedBy(message);
    const facts = this.#fleet.takeEvent(message);
    if (this.#options.isReported(runner)) this.#count(message);
    for (const simulation of [this.#baseline, this.#changed]) {
      if (managed !== undefined) simulation.manage(runner, managed.host, managed.entry, time);
      simulation.takeEvent(runner, facts, event, time);
    }
  }

  #count({ event }: EventMessage): void {
    if (event.type === "status_changed") this.#recorded.transitions += 1;
    if (event.type === "restart_scheduled") this.#recorded.restarts += 1;
  }

  /** Nothing from anybody for longer than a runner may be silent: the pipeline was away. */
  #takeGap(now: number): void {
    const last = this.#lastBeatAt;
    const { onlineSec } = this.#options.baseline.thresholds;
    if (last === undefined || this.#beating.size < MIN_BEATING) return;
    if (now - last <= onlineSec * 1_000) return;
    this.#baseline.takeGap(last, now);
    this.#changed.takeGap(last, now);
  }
}
