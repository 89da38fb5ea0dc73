/**
 * What heartbeats say of the runners of this host, and whether anything can be told at all. The
 * enforcer's own heartbeat comes the same way as everybody's: while it does not come back, silence
 * proves nothing. Its arrival also tells the NATS server's clock, by which all are judged.
 */
import type { FleetEntry } from "../core/fleet.ts";
import type { Heartbeat, JsonObject } from "../core/heartbeat.ts";
import type { BeatsSeen, RunSeen } from "../core/observed.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { statusOf } from "../core/status.ts";
import type { PipelineView, Thresholds } from "../core/status.ts";

/** Processes of one runner that are kept apart; the one heard longest ago goes. */
const MAX_PROCESSES = 4;
const SELF_LATE_INTERVALS = 2.5;

export interface BeatBookOptions {
  /** The enforcer's own runner. */
  readonly self: RunnerId;
  readonly selfIntervalSec: number;
  readonly thresholds: Thresholds;
  /** The reader counts as behind when it was not at the end of the stream for so long. */
  readonly maxLagSec: number;
  /** Older figures are no longer counted as how it is. */
  readonly figuresMaxAgeSec: number;
  /** Steady, ms. */
  readonly steadyNow?: () => number;
}

/** One moment at which all runners are judged. */
export interface BeatMoment {
  /** On the NATS server's clock. */
  readonly serverNow: number;
  readonly view: PipelineView;
  /** On this host's clock. */
  readonly now: number;
  readonly blindSince: number | null;
  readonly sightedAt: number | null;
}

export interface BeatBook {
  /** A reader has been opened, or has ended. */
  opened(): void;
  ended(): void;
  /** Nothing more is on its way. */
  atEnd(): void;
  /** @param timeMs when the stream stored it. */
  take(runner: RunnerId, timeMs: number, heartbeat: Heartbeat): void;
  moment(): BeatMoment;
  beatsOf(entry: FleetEntry, run: RunSeen, moment: BeatMoment): BeatsSeen;
}

export function createBeatBook(options: BeatBookOptions): BeatBook {
  return new Book(options);
}

interface Heard {
  readonly timeMs: number;
  readonly intervalSec: number | null;
  readonly resources: JsonObject | null;
  readonly resourcesAt: number;
}

class Book implements BeatBook {
  readonly #options: BeatBookOptions;
  readonly #now: () => number;
  readonly #heard = new Map<RunnerId, Map<number, Heard>>();
  #isOpen = false;
  #hasCaughtUp = false;
  #atEndMs = Number.NEGATIVE_INFINITY;
  /** The last heartbeat of our own that came in. */
  #self: { readonly steadyMs: number; readonly serverMs: number } | undefined;
  #goodMs: number;
  #isBlind = true;
  #sightedMs: number | null = null;
  #lastBlind: PipelineView["lastBlind"] = null;

  constructor(options: BeatBookOptions) {
    this.#options = options;
    this.#now = options.steadyNow ?? (() => performance.now());
    this.#goodMs = this.#now();
  }

  opened(): void {
    this.#isOpen = true;
  }

  ended(): void {
    this.#isOpen = false;
    this.#hasCaughtUp = false;
  }

  atEnd(): void {
    this.#hasCaughtUp = true;
    this.#atEndMs = this.#now();
  }

  take(runner: RunnerId, timeMs: number, heartbeat: Heartbeat): void {
    // What was waiting in the stream says nothing of now.
    if (runner === this.#options.self && this.#hasCaughtUp) {
      this.#self = { steadyMs: this.#now(), serverMs: timeMs };
    }
    const processes = this.#heard.get(runner) ?? new Map<number, Heard>();
    this.#heard.set(runner, processes);
    const { pid, intervalSec, resources } = heartbeat;
    const before = processes.get(pid);
    processes.delete(pid);
    const heavy = resources === null ? before : { resources, resourcesAt: timeMs };
    const { resources: kept = null, resourcesAt = 0 } = heavy ?? {};
    processes.set(pid, { timeMs, intervalSec, resources: kept, resourcesAt });
    const [oldest] = processes.keys();
    if (processes.size > MAX_PROCESSES && oldest !== undefined) processes.delete(oldest);
  }

  moment(): BeatMoment {
    const steadyMs = this.#now();
    const now = Date.now();
    const serverNow = this.#serverNow(steadyMs) ?? now;
    this.#follow(steadyMs, serverNow);
    const ago = (ms: number): number => now - Math.round(steadyMs - ms);
    const { view } = { view: this.#view(steadyMs, serverNow) };
    return {
      serverNow,
      view,
      now,
      blindSince: this.#isBlind ? ago(this.#goodMs) : null,
      sightedAt: this.#sightedMs === null ? null : ago(this.#sightedMs),
    };
  }

  beatsOf(entry: FleetEntry, run: RunSeen, moment: BeatMoment): BeatsSeen {
    const { serverNow, view, now } = moment;
    const isAlive = run.kind === "running" || run.kind === "stopping";
    const startedAt = isAlive ? serverNow - Math.max(0, now - run.since) : null;
    const heard = isAlive ? this.#heardOf(entry, run, startedAt ?? serverNow) : undefined;
    const liveness = {
      lastHeartbeatAt: heard?.timeMs ?? null,
      beatingSince: null,
      intervalSec: entry.intervalSec ?? heard?.intervalSec ?? null,
      spawnedAt: startedAt,
      endedAt: isAlive ? null : serverNow,
      declaredAt: null,
    };
    const thresholds = { ...this.#options.thresholds, ...entry.thresholds };
    const { status } = statusOf(liveness, serverNow, thresholds, view);
    return { status, lastAt: heard?.timeMs ?? null, ...this.#figures(heard, serverNow) };
  }

  /**
   * Of the process that was started. What beats by itself, or in a container, may do so with
   * another pid: then whatever came since the start counts.
   */
  #heardOf({ runner, driver }: FleetEntry, run: RunSeen, startedAt: number): Heard | undefined {
    const processes = this.#heard.get(runner);
    if (processes === undefined) return undefined;
    const isOwnBeat =
      driver.kind === "camera" || (driver.kind === "command" && !driver.beatsItself);
    const pid = run.kind === "running" ? run.pid : null;
    if (isOwnBeat && pid !== null) return processes.get(pid);
    const newest = [...processes.values()].at(-1);
    return newest !== undefined && newest.timeMs >= startedAt ? newest : undefined;
  }

  #figures(heard: Heard | undefined, serverNow: number) {
    const { figuresMaxAgeSec } = this.#options;
    const isFresh = heard !== undefined && serverNow - heard.resourcesAt < figuresMaxAgeSec * 1000;
    const resources = isFresh ? heard.resources : null;
    const figure = (name: string): number | null => {
      const value = resources?.[name];
      return typeof value === "number" ? value : null;
    };
    return {
      memoryMb: figure("memory_mb"),
      cpuPercent: figure("cpu_percent"),
      vramMb: figure("vram_mb"),
    };
  }

  #serverNow(steadyMs: number): number | undefined {
    if (this.#self === undefined) return undefined;
    return this.#self.serverMs + Math.round(steadyMs - this.#self.steadyMs);
  }

  /** Whether anything can be told now, and since when. */
  #follow(steadyMs: number, serverNow: number): void {
    const { maxLagSec, selfIntervalSec, thresholds } = this.#options;
    const selfLateMs = Math.max(thresholds.onlineSec, selfIntervalSec * SELF_LATE_INTERVALS) * 1000;
    const isSelfHeard = this.#self !== undefined && steadyMs - this.#self.steadyMs <= selfLateMs;
    const isAtEnd = this.#hasCaughtUp && steadyMs - this.#atEndMs <= maxLagSec * 1000;
    const isSighted = this.#isOpen && isAtEnd && isSelfHeard;
    if (isSighted && this.#isBlind) {
      this.#sightedMs = steadyMs;
      this.#lastBlind = { from: serverNow - Math.round(steadyMs - this.#goodMs), to: serverNow };
    }
    if (isSighted) this.#goodMs = steadyMs;
    this.#isBlind = !isSighted;
  }

  #view(steadyMs: number, serverNow: number): PipelineView {
    const blindSince = this.#isBlind ? serverNow - Math.round(steadyMs - this.#goodMs) : null;
    return { blindSince, lastBlind: this.#lastBlind };
  }
}
