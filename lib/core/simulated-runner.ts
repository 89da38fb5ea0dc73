/**
 * One runner as a simulated enforcer finds it, made from what was recorded. The recorded ends of
 * processes are taken as they were; what the recorded enforcer did because of a silence is left
 * out, for that is what the simulation decides itself. A restart of the simulation's own helps:
 * the runner is well from then on until something else was recorded.
 */
import type { FleetEntry } from "./fleet.ts";
import type { BeatsSeen, RunSeen, RunnerSeen } from "./observed.ts";
import { statusOf } from "./status.ts";
import type { PipelineView, Thresholds } from "./status.ts";

type Ended = Extract<RunSeen, { kind: "ended" }>;

/** Silences and limits are the simulated enforcer's to find. */
const OWN_REASON = /^missing heartbeat|, limit \d/;

export interface RecordedBeat {
  /** Epoch ms. */
  readonly time: number;
  readonly intervalSec: number | null;
  readonly memoryMb: number | null;
  readonly cpuPercent: number | null;
  readonly vramMb: number | null;
}

type State = "absent" | "running" | "ended" | "down";

export class SimulatedRunner {
  readonly entry: FleetEntry;
  /** When what is done about it had its cause: an end, or the last sign of life. */
  anchor = 0;
  /** `down`: it has ended and that is settled, or the simulation has ended it. */
  #state: State = "absent";
  #since = 0;
  #ended: Ended | undefined;
  /** Somebody else has ended it, and may start it again. */
  #isHeld = false;
  /** The recorded enforcer has ended it for its silence; here it goes on being silent. */
  #isHidden = false;
  #isOwnStop = false;
  /** A restart of our own: taken to help until something is recorded. */
  #isPresumedWell = false;
  #beat: RecordedBeat | undefined;

  constructor(entry: FleetEntry) {
    this.entry = entry;
  }

  /** It runs at the beginning. */
  begin(since: number, beat: RecordedBeat | undefined): void {
    this.#run(since);
    this.#beat = beat;
    this.anchor = beat?.time ?? since;
  }

  takeBeat(beat: RecordedBeat): void {
    if (this.#state !== "running" || this.#isHidden) return;
    this.#beat = beat;
    this.#isPresumedWell = false;
    this.anchor = beat.time;
  }

  takeSpawn(time: number): void {
    const wasOwnStop = this.#isOwnStop;
    this.#isOwnStop = false;
    if (this.#isHeld) {
      this.#isHeld = false;
      return this.#run(time);
    }
    // Ours is not ended yet, or its restart is not due yet, or it has been restarted before.
    if (wasOwnStop || this.#state === "ended" || this.#state === "down") return;
    if (!this.#isPresumedWell) this.#run(time);
  }

  takeStopping(reason: string): void {
    if (!OWN_REASON.test(reason)) {
      this.#isHeld = true;
      return;
    }
    this.#isOwnStop = true;
    if (this.#state === "running" && !this.#isPresumedWell) this.#isHidden = true;
  }

  takeEnd(time: number, ranSec: number, reason: string): void {
    if (this.#isOwnStop || this.#isHeld || this.#isHidden || this.#state !== "running") return;
    this.#state = "ended";
    this.#isPresumedWell = false;
    this.#ended = { kind: "ended", at: time, ranSec, reason, isPermanent: false };
    this.anchor = time;
  }

  /** A start that failed leaves no other trace than what was planned for it. */
  takePlan(time: number, reason: string): void {
    if (reason.startsWith("could not be started")) this.takeEnd(time, 0, reason);
  }

  /** What the simulated enforcer did. */
  start(time: number): void {
    this.#run(time);
    this.#isPresumedWell = true;
  }

  stop(): void {
    this.#state = "down";
  }

  settle(): void {
    if (this.#state === "ended") this.#state = "down";
  }

  #run(since: number): void {
    this.#state = "running";
    this.#since = since;
    this.#ended = undefined;
    this.#beat = undefined;
    this.#isHidden = false;
    this.#isPresumedWell = false;
  }

  seenAt(now: number, thresholds: Thresholds, view: PipelineView): RunnerSeen {
    const run = this.#runSeen();
    return { run, beats: this.#beats(run, now, thresholds, view) };
  }

  #runSeen(): RunSeen {
    if (this.#isHeld) return { kind: "stopping", since: this.#since };
    if (this.#state === "ended" && this.#ended !== undefined) return this.#ended;
    if (this.#state === "running") return { kind: "running", since: this.#since, pid: null };
    return { kind: "none" };
  }

  #beats(run: RunSeen, now: number, thresholds: Thresholds, view: PipelineView): BeatsSeen {
    const figures = { memoryMb: null, cpuPercent: null, vramMb: null };
    if (run.kind !== "running") return { status: "offline", lastAt: null, ...figures };
    if (this.#isPresumedWell) return { status: "online", lastAt: now, ...figures };
    const lastAt = this.#beat?.time ?? null;
    const liveness = {
      lastHeartbeatAt: lastAt,
      beatingSince: null,
      intervalSec: this.entry.intervalSec ?? this.#beat?.intervalSec ?? null,
      spawnedAt: run.since,
      endedAt: null,
      declaredAt: null,
    };
    const own = { ...thresholds, ...this.entry.thresholds };
    const { status } = statusOf(liveness, now, own, view);
    const { memoryMb = null, cpuPercent = null, vramMb = null } = this.#beat ?? {};
    return { status, lastAt, memoryMb, cpuPercent, vramMb };
  }
}
