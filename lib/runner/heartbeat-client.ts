/** Beats for one process: on time, through outages, and never at the cost of its host. */
import { AppError, messageOf } from "../core/errors.ts";
import { redact } from "../core/redact.ts";
import type { BeatChannel, OpenChannel } from "./beat-channel.ts";
import { addExitDrain, removeExitDrain } from "./exit-drain.ts";
import { composeBeat } from "./heartbeat-body.ts";
import type { BeatIdentity, HeartbeatPart } from "./heartbeat-body.ts";

/** A collector that takes longer is not waited for: the heartbeat goes out without it. */
const COLLECT_MS = 1_000;
/** On exit, at most this long for a heartbeat that is on its way. */
const DRAIN_MS = 500;
const STOP_MS = 1_000;
const POLL_MS = 10;
/** Of two heartbeats that nobody timed, the second waits until the first is this old. */
const MIN_GAP_MS = 50;

/** Figures gathered for one heartbeat; `null`: nothing to say now, no heartbeat is sent. */
export type Collect = () => HeartbeatPart | null | Promise<HeartbeatPart | null>;

export interface HeartbeatClientOptions {
  readonly identity: BeatIdentity;
  readonly snapshotEverySec: number;
  readonly open: OpenChannel;
  readonly collect?: Collect;
  /** Told what went wrong; nothing is thrown. */
  readonly onError?: (error: AppError) => void;
}

/** A running heartbeat. */
export interface HeartbeatHandle {
  /** Beats at once, with these fields in this one heartbeat. */
  beat(part?: HeartbeatPart): void;
  /** Keeps these fields in every heartbeat from now on; `null` or undefined takes one out. */
  set(part: HeartbeatPart): void;
  /** Waits for what is on its way (1 s at most) and ends. Sends no further heartbeat. */
  stop(): Promise<void>;
}

/** Beats as soon as the channel is ready. @throws AppError `invalid` where the channel's options are wrong. */
export function startHeartbeatClient(options: HeartbeatClientOptions): HeartbeatHandle {
  const client = new HeartbeatClient(options);
  client.start();
  return client;
}

class HeartbeatClient implements HeartbeatHandle {
  private readonly options: HeartbeatClientOptions;
  private readonly channel: BeatChannel;
  private readonly reported = new Set<string>();
  private readonly drainOnExit = () => this.drain();
  private kept: HeartbeatPart = {};
  private once: HeartbeatPart = {};
  private seq = 0;
  private isStopped = false;
  private isBeating = false;
  private isDue = false;
  private beatenAtMs = Number.NEGATIVE_INFINITY;
  private heavyAtMs = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;
  private gapTimer: NodeJS.Timeout | undefined;

  constructor(options: HeartbeatClientOptions) {
    this.options = options;
    this.channel = options.open({
      onReady: () => this.beat(),
      onError: (error) => this.report(error),
    });
  }

  start(): void {
    addExitDrain(this.drainOnExit);
    this.schedule(performance.now());
  }

  beat(part: HeartbeatPart = {}): void {
    if (this.isStopped) return;
    Object.assign(this.once, part);
    const sinceMs = performance.now() - this.beatenAtMs;
    if (this.isBeating) this.isDue = true;
    else if (sinceMs < MIN_GAP_MS) this.beatLater(MIN_GAP_MS - sinceMs);
    else void this.beatOnce();
  }

  set(part: HeartbeatPart): void {
    this.kept = { ...this.kept, ...part };
  }

  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    removeExitDrain(this.drainOnExit);
    clearTimeout(this.timer);
    clearTimeout(this.gapTimer);
    await this.channel.close(STOP_MS);
  }

  /** Due times follow from the start, so that a late heartbeat does not delay the next ones. */
  private schedule(lastDueMs: number): void {
    const everyMs = this.options.identity.intervalSec * 1000;
    const now = performance.now();
    // After the host was asleep or busy for long: one heartbeat, not all that were missed.
    const dueMs = lastDueMs + everyMs > now ? lastDueMs + everyMs : now + everyMs;
    const tick = () => {
      this.schedule(dueMs);
      this.beat();
    };
    this.timer = setTimeout(tick, dueMs - now).unref();
  }

  private beatLater(waitMs: number): void {
    clearTimeout(this.gapTimer);
    this.gapTimer = setTimeout(() => this.beat(), waitMs).unref();
  }

  private async beatOnce(): Promise<void> {
    this.isBeating = true;
    try {
      const collected = await this.collect();
      if (collected !== null && !this.isStopped) this.send(collected);
    } catch (error) {
      this.report(new AppError("internal", `a heartbeat could not be made: ${messageOf(error)}`));
    }
    this.isBeating = false;
    if (!this.isDue) return;
    this.isDue = false;
    this.beat();
  }

  private send(collected: HeartbeatPart): void {
    const { identity, snapshotEverySec } = this.options;
    const now = performance.now();
    const withHeavy = now - this.heavyAtMs >= snapshotEverySec * 1000;
    const part = { ...this.kept, ...collected, ...this.once };
    const beat = composeBeat(identity, this.seq, Date.now(), part, withHeavy);
    for (const fault of beat.faults) this.report(new AppError("invalid", fault));
    // Counted also where it can't be sent: the gap in the numbers shows what was lost.
    this.seq++;
    if (!this.channel.send(beat.bytes)) return;
    this.once = {};
    this.beatenAtMs = now;
    if (beat.isHeavy) this.heavyAtMs = now;
  }

  /** What is collected when a collector fails or hangs: nothing, but the heartbeat goes out. */
  private async collect(): Promise<HeartbeatPart | null> {
    const { collect } = this.options;
    if (collect === undefined) return {};
    try {
      const collected = collect();
      return collected instanceof Promise ? await withinTime(collected) : collected;
    } catch (error) {
      this.report(new AppError("internal", `collecting for the heartbeat: ${messageOf(error)}`));
      return {};
    }
  }

  /** Each message is told once; a host that logs them must not be flooded. */
  private report(error: AppError): void {
    if (error.code !== "unavailable" && error.code !== "forbidden") {
      if (this.reported.has(error.message) || this.reported.size >= 100) return;
      this.reported.add(error.message);
    }
    try {
      this.options.onError?.(new AppError(error.code, redact(error.message), { cause: error }));
    } catch {
      // The host's own callback failed; there is nobody left to tell.
    }
  }

  /** The process has nothing left to do: a heartbeat on its way may still arrive. */
  private async drain(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    this.channel.hold(true);
    while (this.isOnItsWay() && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    this.channel.hold(false);
  }

  private isOnItsWay(): boolean {
    return !this.isStopped && (this.isBeating || this.channel.isSettling());
  }
}

async function withinTime<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Error(`not done within ${COLLECT_MS} ms`));
    timer = setTimeout(fail, COLLECT_MS).unref();
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
