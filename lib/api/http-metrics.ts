/** Counts of requests by route and answer, for the metrics page. */

/** Upper bounds in seconds. */
const BUCKETS_SEC = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1] as const;

interface Timing {
  /** One for each bound, and one for what took longer. */
  readonly buckets: number[];
  sumSec: number;
}

export interface RequestCount {
  readonly method: string;
  /** The route, not the path: there are only so many. */
  readonly route: string;
  readonly status: number;
  count: number;
}

export interface RouteTiming {
  readonly route: string;
  /** Upper bound in seconds, and how many requests took no longer. */
  readonly upTo: readonly (readonly [bound: string, count: number])[];
  readonly count: number;
  readonly sumSec: number;
}

export class HttpMetrics {
  private readonly counts = new Map<string, RequestCount>();
  private readonly timings = new Map<string, Timing>();

  /** `route`: one of the routes, or a fixed word where none was met. */
  observe(method: string, route: string, status: number, elapsedMs: number): void {
    const key = `${method} ${route} ${status}`;
    const known = this.counts.get(key);
    if (known === undefined) this.counts.set(key, { method, route, status, count: 1 });
    else known.count += 1;
    const timing = this.timingOf(route);
    const seconds = elapsedMs / 1_000;
    timing.sumSec += seconds;
    const at = BUCKETS_SEC.findIndex((bound) => seconds <= bound);
    const bucket = at < 0 ? BUCKETS_SEC.length : at;
    timing.buckets[bucket] = (timing.buckets[bucket] ?? 0) + 1;
  }

  requests(): readonly RequestCount[] {
    return [...this.counts.values()];
  }

  durations(): readonly RouteTiming[] {
    return [...this.timings].map(([route, { buckets, sumSec }]) => {
      let count = 0;
      const upTo = [...BUCKETS_SEC.map(String), "+Inf"].map(
        (bound, index) => [bound, (count += buckets[index] ?? 0)] as const,
      );
      return { route, upTo, count, sumSec };
    });
  }

  private timingOf(route: string): Timing {
    const known = this.timings.get(route);
    if (known !== undefined) return known;
    const made: Timing = { buckets: [], sumSec: 0 };
    this.timings.set(route, made);
    return made;
  }
}
