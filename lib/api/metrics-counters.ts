/** Things that are counted under labels; the labels come from outside, so there is a bound. */
import type { HistogramSample, Labels, Sample } from "./metrics-text.ts";

/** What would be one series too many is counted under this. */
export const OTHER = "other";

/** Counts by labels. */
export class LabelledCounts<Name extends string> {
  private readonly names: readonly Name[];
  private readonly maxSeries: number;
  private readonly counts = new Map<string, { labels: Record<Name, string>; count: number }>();

  constructor(names: readonly Name[], maxSeries = Number.POSITIVE_INFINITY) {
    this.names = names;
    this.maxSeries = maxSeries;
  }

  add(labels: Record<Name, string>, count = 1): void {
    const known = this.counts.get(this.keyOf(labels));
    if (known !== undefined) known.count += count;
    else if (this.counts.size < this.maxSeries - 1) this.make(labels, count);
    else this.addToOther(count);
  }

  samples(): Sample[] {
    return [...this.counts.values()].map(({ labels, count }): Sample => [labels as Labels, count]);
  }

  private addToOther(count: number): void {
    const labels = Object.fromEntries(this.names.map((name) => [name, OTHER]));
    const known = this.counts.get(this.keyOf(labels as Record<Name, string>));
    if (known === undefined) this.make(labels as Record<Name, string>, count);
    else known.count += count;
  }

  private make(labels: Record<Name, string>, count: number): void {
    this.counts.set(this.keyOf(labels), { labels, count });
  }

  private keyOf(labels: Record<Name, string>): string {
    return JSON.stringify(this.names.map((name) => labels[name]));
  }
}

/** Upper bounds in seconds: from a motion analyser to a slow model. */
const BOUNDS_SEC = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Durations of one set of labels. */
export class DurationCounts {
  private readonly buckets = Array.from<number>({ length: BOUNDS_SEC.length + 1 }).fill(0);
  private sumSec = 0;

  observe(seconds: number): void {
    const at = BOUNDS_SEC.findIndex((bound) => seconds <= bound);
    const bucket = at < 0 ? BOUNDS_SEC.length : at;
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.sumSec += seconds;
  }

  sample(labels: Labels): HistogramSample {
    let count = 0;
    const upTo = [...BOUNDS_SEC.map(String), "+Inf"].map(
      (bound, index) => [bound, (count += this.buckets[index] ?? 0)] as const,
    );
    return { labels, upTo, sum: this.sumSec, count };
  }
}
