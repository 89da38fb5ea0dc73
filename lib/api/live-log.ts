/**
 * In which order runners changed last, so that whoever has seen the changes up to one version can
 * be told the rest: each runner once, however often it changed. Pure, and bounded by the fleet.
 */

/** Runners that are gone are remembered up to this many. */
const MAX_GONE = 10_000;
/** Entries that were overtaken are dropped once there are this many more than runners. */
const SPARE_ENTRIES = 1_024;

export interface LiveEntry {
  readonly version: number;
  readonly runner: string;
  readonly isGone: boolean;
}

export class LiveLog {
  /** Rising by version; an entry that was overtaken is no longer the one in `newest`. */
  private entries: LiveEntry[] = [];
  private readonly newest = new Map<string, LiveEntry>();
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
    return this.newest.get(runner)?.isGone === false;
  }

  /** Runners that are there, in no particular order. */
  *runners(): Generator<string> {
    for (const { runner, isGone } of this.newest.values()) if (!isGone) yield runner;
  }

  /** Notes that a runner changed, or is gone. @returns the entry; undefined for a stranger that is gone. */
  note(runner: string, isGone: boolean): LiveEntry | undefined {
    const before = this.newest.get(runner);
    if (isGone && before?.isGone !== false) return undefined;
    this.last += 1;
    const entry: LiveEntry = { version: this.last, runner, isGone };
    if (before?.isGone === true) this.gone -= 1;
    if (isGone) this.gone += 1;
    this.newest.set(runner, entry);
    this.entries.push(entry);
    const isLong = this.entries.length > 2 * this.newest.size + SPARE_ENTRIES;
    if (isLong || this.gone > MAX_GONE + SPARE_ENTRIES) this.compact();
    return entry;
  }

  /** The changes after a version, oldest first, at most so many. */
  after(version: number, limit: number): LiveEntry[] {
    const found: LiveEntry[] = [];
    for (let at = this.placeAfter(version); at < this.entries.length; at++) {
      const entry = this.entries[at] as LiveEntry;
      if (this.newest.get(entry.runner) !== entry) continue;
      found.push(entry);
      if (found.length === limit) break;
    }
    return found;
  }

  /** Of these runners, the changes after a version, oldest first. */
  ofRunners(runners: Iterable<string>, version: number): LiveEntry[] {
    const found: LiveEntry[] = [];
    for (const runner of runners) {
      const entry = this.newest.get(runner);
      if (entry !== undefined && entry.version > version) found.push(entry);
    }
    return found.toSorted((one, other) => one.version - other.version);
  }

  private placeAfter(version: number): number {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.entries[middle] as LiveEntry).version <= version) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private compact(): void {
    this.entries = this.entries.filter((entry) => this.newest.get(entry.runner) === entry);
    if (this.gone <= MAX_GONE) return;
    // The oldest half, so that this does not happen again at once.
    let spare = this.gone - MAX_GONE / 2;
    this.entries = this.entries.filter((entry) => {
      if (!entry.isGone || spare === 0) return true;
      spare -= 1;
      this.gone -= 1;
      this.newest.delete(entry.runner);
      this.forgottenUpTo = entry.version;
      return false;
    });
  }
}
