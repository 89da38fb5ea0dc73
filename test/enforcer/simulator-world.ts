/** A host in memory: processes that exit, hang and come back, on a clock that may be set. */
import type { FleetEntry } from "../../lib/core/fleet.ts";
import type { BeatsSeen, Observed, RunSeen, RunnerSeen } from "../../lib/core/observed.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_THRESHOLDS, statusOf } from "../../lib/core/status.ts";
import type { PipelineView } from "../../lib/core/status.ts";

const BEAT_MS = 10_000;
const FIRST_BEAT_MS = 1_000;

export interface SimRun {
  readonly pid: number;
  readonly attempt: number;
  /** On the wall clock as it was then. */
  readonly since: number;
  /** On the true clock, as all that follows. */
  readonly startedAt: number;
  exitsAt: number;
  hangsAt: number;
  /** While it is being stopped. */
  goneAt: number | null;
}

export interface SimRunner {
  readonly runner: RunnerId;
  run: SimRun | null;
  ended: Extract<RunSeen, { kind: "ended" }> | null;
  lastBeatAt: number | null;
}

/** How long the next run of a runner lives and when it hangs; Infinity: never. */
export type Fate = (runner: RunnerId) => { readonly lifeMs: number; readonly hangMs: number };

export class SimWorld {
  /** True time, epoch ms: the NATS server's clock. */
  now = 1_700_000_000_000;
  /** The host's clock less the true one. */
  clockOffset = 0;
  /** The enforcer knows of it. */
  blindSince: number | null = null;
  lastBlind: PipelineView["lastBlind"] = null;
  /** Runners whose heartbeats are lost although they live, and nobody knows why. */
  muffled = new Set<RunnerId>();
  readonly runners = new Map<RunnerId, SimRunner>();
  readonly #fate: Fate;
  #nextPid = 100;

  constructor(fate: Fate) {
    this.#fate = fate;
  }

  get wall(): number {
    return this.now + this.clockOffset;
  }

  at(runner: RunnerId): SimRunner {
    const found = this.runners.get(runner);
    if (found !== undefined) return found;
    const made: SimRunner = { runner, run: null, ended: null, lastBeatAt: null };
    this.runners.set(runner, made);
    return made;
  }

  isAlive(runner: RunnerId): boolean {
    return this.at(runner).run !== null;
  }

  isHung(runner: RunnerId): boolean {
    const { run } = this.at(runner);
    return run !== null && run.hangsAt <= this.now;
  }

  start(entry: FleetEntry, attempt: number): void {
    const runner = this.at(entry.runner);
    if (runner.run !== null) return;
    const { lifeMs, hangMs } = this.#fate(entry.runner);
    // Pids come again soon, and mean another process each time.
    this.#nextPid = 100 + ((this.#nextPid + 1) % 7);
    runner.ended = null;
    runner.lastBeatAt = null;
    runner.run = {
      pid: this.#nextPid,
      attempt,
      since: this.wall,
      startedAt: this.now,
      exitsAt: this.now + lifeMs,
      hangsAt: this.now + hangMs,
      goneAt: null,
    };
  }

  stop(runner: RunnerId, takesMs: number): void {
    const { run } = this.at(runner);
    if (run !== null) run.goneAt ??= this.now + takesMs;
  }

  settle(runner: RunnerId): void {
    this.at(runner).ended = null;
  }

  /** When something happens next by itself. */
  nextEventAt(): number {
    let next = Infinity;
    for (const { run } of this.runners.values()) {
      if (run !== null) next = Math.min(next, run.exitsAt, run.goneAt ?? Infinity);
    }
    return next;
  }

  /** Lets time pass. @returns the runners whose process ended meanwhile. */
  passTo(time: number): RunnerId[] {
    const ended: RunnerId[] = [];
    this.#beatUpTo(time);
    this.now = time;
    for (const runner of this.runners.values()) {
      const { run } = runner;
      if (run === null) continue;
      const goneAt = Math.min(run.exitsAt, run.goneAt ?? Infinity);
      if (goneAt > time) continue;
      const ranSec = (goneAt - run.startedAt) / 1000;
      const reason = run.goneAt === null ? "exit code 1" : "SIGTERM";
      runner.run = null;
      runner.ended = { kind: "ended", at: this.wall, ranSec, reason, isPermanent: false };
      ended.push(runner.runner);
    }
    return ended;
  }

  #beatUpTo(time: number): void {
    for (const runner of this.runners.values()) {
      const { run } = runner;
      if (run === null || this.muffled.has(runner.runner) || this.blindSince !== null) continue;
      const until = Math.min(time, run.hangsAt, run.exitsAt);
      const beats = Math.floor((until - run.startedAt - FIRST_BEAT_MS) / BEAT_MS);
      if (beats < 0) continue;
      const at = run.startedAt + FIRST_BEAT_MS + beats * BEAT_MS;
      if (at > (runner.lastBeatAt ?? 0) && at > this.now) runner.lastBeatAt = at;
    }
  }

  beginOutage(): void {
    this.blindSince ??= this.now;
  }

  endOutage(): void {
    if (this.blindSince === null) return;
    this.lastBlind = { from: this.blindSince, to: this.now };
    this.blindSince = null;
  }

  observe(runners: Iterable<RunnerId>): Observed {
    const seen = new Map<RunnerId, RunnerSeen>();
    for (const id of runners) {
      const runner = this.at(id);
      seen.set(id, { run: this.#runSeen(runner), beats: this.#beatsSeen(runner) });
    }
    const { blindSince, lastBlind, clockOffset } = this;
    return {
      runners: seen,
      blindSince: blindSince === null ? null : blindSince + clockOffset,
      sightedAt: lastBlind === null ? null : lastBlind.to + clockOffset,
    };
  }

  #runSeen({ run, ended }: SimRunner): RunSeen {
    if (run === null) return ended ?? { kind: "none" };
    if (run.goneAt !== null) return { kind: "stopping", since: run.since };
    return { kind: "running", since: run.since, pid: run.pid };
  }

  #beatsSeen({ run, lastBeatAt }: SimRunner): BeatsSeen {
    const liveness = {
      lastHeartbeatAt: lastBeatAt,
      beatingSince: null,
      intervalSec: null,
      spawnedAt: run?.startedAt ?? null,
      endedAt: run === null ? this.now : null,
      declaredAt: null,
    };
    const { blindSince, lastBlind } = this;
    const { status } = statusOf(liveness, this.now, DEFAULT_THRESHOLDS, { blindSince, lastBlind });
    return { status, lastAt: lastBeatAt, memoryMb: null, cpuPercent: null, vramMb: null };
  }
}
