/** When a camera's pictures are analysed less, and why. Pure. */

/** From when on there is too much. */
export interface ResourceLimits {
  /** Pictures a second of one camera. */
  readonly maxFps: number;
  /** Of the memory that there is, for everything that shares it. */
  readonly maxMemoryPercent: number;
  /** Entries of one queue. */
  readonly maxQueueSize: number;
}

/** What is judged; null: not known. */
export interface ResourceSample {
  /** Pictures a second that came to be analysed, over the last 60 s. */
  readonly fps: number | null;
  readonly memoryPercent: number | null;
  readonly queues: Readonly<Record<string, number>>;
}

export const DEFAULT_RESOURCE_LIMITS: ResourceLimits = {
  maxFps: 30,
  maxMemoryPercent: 80,
  maxQueueSize: 1_000,
};

/** A camera with just the limit's rate comes out a little above it now and then. */
const FPS_TOLERANCE = 1.05;
/** While something else than the rate is the trouble, one picture a second is looked at. */
const TROUBLED_FPS = 1;
/** What was too much must be so much less before it is over, so that it does not flap. */
const EASED = 0.9;
/** And for so many looks in a row. */
const GOOD_LOOKS = 2;

/** Why analysing must be throttled, e.g. `Memory at 85%, limit 80%`; undefined: it must not. */
export function shouldThrottle(sample: ResourceSample, limits: ResourceLimits): string | undefined {
  const { memoryPercent, queues, fps } = sample;
  const { maxMemoryPercent, maxQueueSize, maxFps } = limits;
  if (memoryPercent !== null && memoryPercent > maxMemoryPercent) {
    return `Memory at ${Math.round(memoryPercent)}%, limit ${maxMemoryPercent}%`;
  }
  for (const [name, size] of Object.entries(queues)) {
    if (size > maxQueueSize) return `Queue ${name} at size ${size}, limit ${maxQueueSize}`;
  }
  if (fps !== null && fps > maxFps * FPS_TOLERANCE) {
    return `FPS at ${Math.round(fps * 10) / 10}, limit ${maxFps}`;
  }
  return undefined;
}

/** How a camera is throttled. */
export interface Throttle {
  readonly reason: string;
  /** Pictures a second that are analysed still. */
  readonly maxFps: number;
  /** Looks in a row that found all well again. */
  readonly goodLooks: number;
}

/** What follows from one more look; undefined: pictures are analysed as they come. */
export function nextThrottle(
  before: Throttle | undefined,
  sample: ResourceSample,
  limits: ResourceLimits,
): Throttle | undefined {
  const reason = shouldThrottle(sample, limits);
  if (reason !== undefined) return { reason, maxFps: rateOf(sample, limits), goodLooks: 0 };
  if (before === undefined) return undefined;
  if (shouldThrottle(sample, eased(limits)) !== undefined) return { ...before, goodLooks: 0 };
  const goodLooks = before.goodLooks + 1;
  return goodLooks >= GOOD_LOOKS ? undefined : { ...before, goodLooks };
}

function rateOf(sample: ResourceSample, limits: ResourceLimits): number {
  const isRateAlone = shouldThrottle({ ...sample, fps: null }, limits) === undefined;
  return isRateAlone ? limits.maxFps : Math.min(TROUBLED_FPS, limits.maxFps);
}

function eased(limits: ResourceLimits): ResourceLimits {
  return {
    maxFps: limits.maxFps * EASED,
    maxMemoryPercent: limits.maxMemoryPercent * EASED,
    maxQueueSize: limits.maxQueueSize * EASED,
  };
}
