/**
 * In which order runners changed last, so that whoever has seen the changes up to one version can
 * be told the rest: each runner once, however often it changed. Pure, and bounded by the fleet.
 *
 * A ring with one place for each runner, which moves to the newest end when the runner changes: ten
 * thousand changes a second leave no garbage, whose collection is what live clients would wait for.
 */

/** Runners that are gone are remembered up to this many. */
const MAX_GONE = 10_000;

/** The newest change of a runner. It is the ring's own, and another after the runner's next change. */
export interface LiveEntry {
  readonly version: number;
  readonly runner: string;
  readonly isGone: boolean;
}

class Place implements LiveEntry {
  version = 0;
  isGone = false;
  readonly runner: string;
  older: Place = this;
  newer: Place = this;

  constructor(runner: string) {
    this.runner = runner;
  }

  unlink(): void {
    this.older.newer = this.newer;
    this.newer.older = this.older;
  }

  linkBefore(next: Place): void {
    this.older = next.older;
    this.newer = next;
    next.older.newer = this;
    next.older = this;
  }
}

export class LiveLog {
  private readonly places = new Map<string, Place>();
  /** Between the newest and the oldest; no runner's. */
  private readonly ends = new Place("");
  private gone = 0;
  private forgottenUpTo = 0;
  private last = 0;

  /** The newest version; 0 before the first change. */
  get version(): number {
    return this.last;
  }

  /** Whether everything after a version is still known. */
  reaches(version: number): boolean {
    return version >= this.forgottenUpTo && version <= this.last;
  }

  isThere(runner: string): boolean {
    return this.places.get(runner)?.isGone === false;
  }

  /** Runners that are there, in no particular order. */
  *runners(): Generator<string> {
    for (const { runner, isGone } of this.places.values()) if (!isGone) yield runner;
  }

  /** Notes that a runner changed, or is gone; of a stranger that is gone nothing is noted. */
  note(runner: string, isGone: boolean): void {
    const known = this.places.get(runner);
    if (isGone && known?.isGone !== false) return;
    if (known?.isGone === true) this.gone -= 1;
    if (isGone) this.gone += 1;
    const place = known ?? new Place(runner);
    if (known === undefined) this.places.set(runner, place);
    this.last += 1;
    place.version = this.last;
    place.isGone = isGone;
    place.unlink();
    place.linkBefore(this.ends);
    if (this.gone > MAX_GONE) this.forgetGone();
  }

  /** The changes after a version, oldest first, at most so many. */
  after(version: number, limit: number): LiveEntry[] {
    const found: LiveEntry[] = [];
    let place = this.firstAfter(version);
    for (; place !== this.ends && found.length < limit; place = place.newer) found.push(place);
    return found;
  }

  /** From both ends at once: most lack little, and those who lack nearly all are many pieces behind. */
  private firstAfter(version: number): Place {
    let { newer: oldest, older: newest } = this.ends;
    while (oldest !== this.ends && oldest.version <= version) {
      if (newest.version <= version) return newest.newer;
      oldest = oldest.newer;
      newest = newest.older;
    }
    return oldest;
  }

  /** Of these runners, the changes after a version, oldest first. */
  ofRunners(runners: Iterable<string>, version: number): LiveEntry[] {
    const found: LiveEntry[] = [];
    for (const runner of runners) {
      const place = this.places.get(runner);
      if (place !== undefined && place.version > version) found.push(place);
    }
    return found.toSorted((one, other) => one.version - other.version);
  }

  /** The oldest half, so that this does not happen again at once. */
  private forgetGone(): void {
    for (let { newer: place } = this.ends; this.gone > MAX_GONE / 2; place = place.newer) {
      if (!place.isGone) continue;
      place.unlink();
      this.places.delete(place.runner);
      this.gone -= 1;
      this.forgottenUpTo = place.version;
    }
  }
}
