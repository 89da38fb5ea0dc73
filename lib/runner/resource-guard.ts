/**
 * The package's export `runbeat/resources`. Keeps cameras from taking more of their host than they
 * should: looks every 5 s at the memory, the queues and the rate of each camera, and lets fewer
 * pictures through to its analyser while there is too much of one of them.
 *
 * ```ts
 * import { startResourceGuard } from "runbeat/resources";
 *
 * const guard = startResourceGuard({ everySec: 5 });
 * const door = guard.watch({
 *   frames: () => framesSoFar,
 *   queues: () => ({ frames: queue.length }),
 *   onChange: (reason) => console.warn(reason ?? "all pictures are analysed again"),
 * });
 * if (door.admit(performance.now())) analyse(picture);
 * ```
 */
import { DEFAULT_RESOURCE_LIMITS, nextThrottle } from "../core/throttle.ts";
import type { ResourceLimits, Throttle } from "../core/throttle.ts";
import { createFrameRate } from "./frame-rate.ts";
import type { FrameRate } from "./frame-rate.ts";
import { openHostMeter } from "./host-usage.ts";
import type { HostMeter } from "./host-usage.ts";

export { shouldThrottle } from "../core/throttle.ts";
export type { ResourceLimits, ResourceSample } from "../core/throttle.ts";
export type { HostMeter } from "./host-usage.ts";

const DEFAULT_EVERY_SEC = 5;

export interface ResourceGuardOptions {
  /** Where a camera has none of its own. */
  readonly limits?: ResourceLimits;
  /** 5 unless given. */
  readonly everySec?: number;
  readonly host?: HostMeter;
  /** A monotonic clock in ms. */
  readonly nowMs?: () => number;
}

export interface WatchedCamera {
  /** Pictures that its stream has brought so far. */
  readonly frames: () => number;
  /** What waits, by name. */
  readonly queues: () => Readonly<Record<string, number>>;
  readonly limits?: Partial<ResourceLimits>;
  /** Told why analysing is throttled from now on; undefined: it no longer is. Must not throw. */
  readonly onChange?: (reason: string | undefined, before: string | undefined) => void;
}

/** What the guard knows of one camera. */
export interface CameraResources {
  readonly throttled: boolean;
  /** "" while it is not. */
  readonly throttleReason: string;
  /** Pictures a second of its stream, over the last 60 s or as long as it is known. */
  readonly fps: number | null;
  /** Used of the memory that there is, by whatever shares it. */
  readonly memoryPercent: number;
}

export interface CameraGuard {
  /**
   * Whether the picture that came now may be analysed. To be asked for each picture.
   * @param atMs when it came, on the guard's clock.
   */
  admit(atMs: number): boolean;
  resources(): CameraResources;
  close(): void;
}

export interface ResourceGuard {
  /** Looks after one more camera. */
  watch(camera: WatchedCamera): CameraGuard;
  /** Looks at once, beside the regular looks. */
  look(): void;
  stop(): void;
}

/** Never keeps the process alive. */
export function startResourceGuard(options: ResourceGuardOptions = {}): ResourceGuard {
  const { limits = DEFAULT_RESOURCE_LIMITS, host = openHostMeter() } = options;
  const nowMs = options.nowMs ?? (() => performance.now());
  const guarded = new Set<Guarded>();
  let memoryPercent = 0;
  const measure = () => {
    const { usedBytes, limitBytes } = host.memory();
    memoryPercent = (usedBytes / limitBytes) * 100;
  };
  const look = () => {
    if (guarded.size === 0) return;
    measure();
    for (const camera of guarded) camera.look(memoryPercent, nowMs());
  };
  const timer = setInterval(look, (options.everySec ?? DEFAULT_EVERY_SEC) * 1_000).unref();
  return {
    watch(camera) {
      if (guarded.size === 0) measure();
      const made = new Guarded(camera, { ...limits, ...camera.limits }, nowMs());
      guarded.add(made);
      return {
        admit: (atMs) => made.admit(atMs),
        resources: () => made.resources(memoryPercent),
        close: () => void guarded.delete(made),
      };
    },
    look,
    stop: () => clearInterval(timer),
  };
}

class Guarded {
  private readonly camera: WatchedCamera;
  private readonly limits: ResourceLimits;
  private readonly streamed: FrameRate;
  private readonly came: FrameRate;
  private throttle: Throttle | undefined;
  private offered = 0;
  /** The next picture before this is not analysed. */
  private nextAtMs = 0;

  constructor(camera: WatchedCamera, limits: ResourceLimits, nowMs: number) {
    this.camera = camera;
    this.limits = limits;
    this.streamed = createFrameRate(camera.frames(), nowMs);
    this.came = createFrameRate(0, nowMs);
  }

  look(memoryPercent: number, nowMs: number): void {
    this.streamed.add(this.camera.frames(), nowMs);
    this.came.add(this.offered, nowMs);
    const sample = { fps: this.came.perSec(), memoryPercent, queues: this.camera.queues() };
    const before = this.throttle;
    this.throttle = nextThrottle(before, sample, this.limits);
    if ((before === undefined) === (this.throttle === undefined)) return;
    this.nextAtMs = nowMs;
    this.camera.onChange?.(this.throttle?.reason, before?.reason);
  }

  admit(atMs: number): boolean {
    this.offered++;
    if (this.throttle === undefined) return true;
    if (atMs < this.nextAtMs) return false;
    // From when it was due, or else a rate just above the limit would be halved.
    const everyMs = 1_000 / this.throttle.maxFps;
    this.nextAtMs = Math.max(this.nextAtMs, atMs - everyMs) + everyMs;
    return true;
  }

  resources(memoryPercent: number): CameraResources {
    return {
      throttled: this.throttle !== undefined,
      throttleReason: this.throttle?.reason ?? "",
      fps: this.streamed.perSec(),
      memoryPercent,
    };
  }
}
