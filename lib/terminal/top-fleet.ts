/** The fleet as a live client knows it: what the API told, put together. */
import type { Outage } from "../core/outage-spans.ts";
import type { Health } from "../core/heartbeat.ts";
import { STATUSES } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import type { ShownHeartbeat, ShownRunner } from "./status-row.ts";
import { STRIP_MS } from "./top-strip.ts";
import type { StatusChange } from "./top-strip.ts";

/** A runner as the API's lists have it, as far as it is shown. */
export interface TopRunner extends ShownRunner {
  readonly status_since: string;
  readonly interval_sec: number | null;
  readonly clock_skew_ms: number | null;
  readonly last_error_at: string | null;
  readonly heartbeat: TopHeartbeat | null;
}

export interface TopHeartbeat extends ShownHeartbeat {
  readonly seq: number | null;
  readonly detected: number | null;
  readonly matched: number | null;
  readonly latency_ms: number | null;
  readonly checks: Readonly<Record<string, boolean>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly resources: Readonly<Record<string, unknown>>;
}

/** An item of the timeline. */
export interface TopEvent {
  readonly seq: number;
  readonly time: string;
  readonly runner: string;
  readonly type: string;
  readonly by: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface TopAsOf {
  readonly time: string;
  readonly lag_ms: number | null;
  /** Time stands still: of an export that was opened. */
  readonly is_past?: true;
}

export interface TopSummary {
  readonly total: number;
  readonly status: Readonly<Record<Status, number>>;
  readonly health: Readonly<Record<Health, number>>;
  readonly projections: readonly { readonly name: string; readonly seq: number }[];
  readonly as_of: TopAsOf;
}

interface Snapshot {
  readonly items: readonly TopRunner[];
  readonly more: boolean;
  readonly as_of: TopAsOf;
}

/** Messages a second, over the last seconds; null where it can't be told yet. */
export interface TopRates {
  readonly beats: number | null;
  readonly events: number | null;
}

interface Folded {
  readonly time: number;
  readonly beats: number;
  readonly events: number;
}

const MAX_EVENTS = 1_000;
/** Changes that are remembered of one runner: more would not be told apart in a strip. */
const MAX_CHANGES = 200;
const RATE_MS = 15_000;
/** The sentinel's word and our own sight of the same change differ by so much at most. */
const SAME_MS = 3_000;

export class TopFleet {
  runners = new Map<string, TopRunner>();
  summary: TopSummary | undefined;
  /** Newest last. */
  readonly events: TopEvent[] = [];
  /** Times in which nobody could see. */
  outages: readonly Outage[] = [];
  readonly #changes = new Map<string, StatusChange[]>();
  /** The parts of a snapshot, until it is whole. */
  #arriving: Map<string, TopRunner> | undefined;
  #folded: Folded[] = [];
  /** The server's clock minus ours, ms. */
  #offsetMs = 0;
  /** Where the server's clock stands still, epoch ms. */
  #standsAt: number | undefined;

  /** Whether the fleet was told as a whole once. */
  isThere = false;

  /**
   * Takes one event of the live stream.
   * @param localMs epoch ms on this machine's clock.
   */
  take(event: string, data: unknown, localMs: number): void {
    if (event === "snapshot") this.#takeSnapshot(data as Snapshot, localMs);
    else if (event === "runner") this.#put(data as TopRunner);
    else if (event === "gone") this.runners.delete((data as { runner: string }).runner);
    else if (event === "event") this.noteEvent(data as TopEvent);
    else if (event === "summary") this.#takeSummary(data as TopSummary, localMs);
  }

  /** A connection begins: what of a snapshot had come is worth nothing. */
  begin(): void {
    this.#arriving = undefined;
  }

  /** The time on the server's clock. */
  serverMs(localMs: number): number {
    return this.#standsAt ?? localMs + this.#offsetMs;
  }

  /** Whether it is an export, as it stood at its end. */
  get isPast(): boolean {
    return this.#standsAt !== undefined;
  }

  noteEvent(event: TopEvent): void {
    const newest = this.events.at(-1);
    if (newest === undefined || event.seq > newest.seq) this.events.push(event);
    if (this.events.length > MAX_EVENTS) this.events.splice(0, this.events.length - MAX_EVENTS);
    this.noteChangeOf(event);
  }

  /** Older events, newest first, as the API lists them. */
  addOlder(events: readonly TopEvent[]): void {
    const oldest = this.events[0]?.seq ?? Infinity;
    const older = events.filter(({ seq }) => seq < oldest).toReversed();
    this.events.unshift(...older.slice(-(MAX_EVENTS - this.events.length)));
    for (const event of events) this.noteChangeOf(event);
  }

  changesOf(runner: string): readonly StatusChange[] {
    return this.#changes.get(runner) ?? [];
  }

  rates(): TopRates {
    const first = this.#folded[0];
    const last = this.#folded.at(-1);
    if (first === undefined || last === undefined || last.time - first.time < 1_000)
      return { beats: null, events: null };
    const seconds = (last.time - first.time) / 1_000;
    const rate = (key: "beats" | "events"): number =>
      Math.max(0, (last[key] - first[key]) / seconds);
    return { beats: rate("beats"), events: rate("events") };
  }

  /** Itself as it is now, whatever comes. */
  frozen(): TopFleet {
    const copy = new TopFleet();
    copy.runners = new Map(this.runners);
    copy.summary = this.summary;
    copy.events.push(...this.events);
    copy.outages = this.outages;
    for (const [runner, changes] of this.#changes) copy.#changes.set(runner, [...changes]);
    copy.#folded = [...this.#folded];
    copy.#offsetMs = this.#offsetMs;
    copy.#standsAt = this.#standsAt;
    copy.isThere = this.isThere;
    return copy;
  }

  #takeSnapshot({ items, more, as_of }: Snapshot, localMs: number): void {
    this.#arriving ??= new Map();
    for (const item of items) this.#arriving.set(item.runner, item);
    this.#setClock(as_of, localMs);
    if (more) return;
    const before = this.runners;
    this.runners = this.#arriving;
    this.#arriving = undefined;
    this.isThere = true;
    for (const item of this.runners.values()) this.#noteOwnSight(before.get(item.runner), item);
  }

  #put(item: TopRunner): void {
    this.#noteOwnSight(this.runners.get(item.runner), item);
    this.runners.set(item.runner, item);
  }

  #takeSummary(summary: TopSummary, localMs: number): void {
    this.summary = summary;
    this.#setClock(summary.as_of, localMs);
    const folded = (name: string): number =>
      summary.projections.find((projection) => projection.name === name)?.seq ?? 0;
    const time = Date.parse(summary.as_of.time);
    const now = { time, beats: folded("latest_heartbeat"), events: folded("timeline") };
    const last = this.#folded.at(-1);
    // A stream that began anew, or a clock that was set: what was counted before is of no use.
    if (last !== undefined && (now.beats < last.beats || now.time < last.time)) this.#folded = [];
    this.#folded = [...this.#folded.filter((one) => time - one.time <= RATE_MS), now];
  }

  #setClock(asOf: TopAsOf, localMs: number): void {
    const time = Date.parse(asOf.time);
    this.#offsetMs = time - localMs;
    this.#standsAt = asOf.is_past === true ? time : undefined;
  }

  /** Where nobody tells of changes, those that were seen here are what there is. */
  #noteOwnSight(before: TopRunner | undefined, now: TopRunner): void {
    if (before === undefined || before.status === now.status) return;
    const time = Date.parse(now.status_since);
    this.#noteChange(now.runner, { time, from: before.status, to: now.status });
  }

  /** Of an event that tells a change of status. */
  noteChangeOf({ type, runner, time, data }: TopEvent): void {
    if (type !== "status_changed") return;
    const [from, to] = [data["from"], data["to"]].map((value) =>
      STATUSES.find((status) => status === value),
    );
    if (from === undefined || to === undefined) return;
    this.#noteChange(runner, { time: Date.parse(time), from, to });
  }

  #noteChange(runner: string, change: StatusChange): void {
    const known = this.#changes.get(runner) ?? [];
    const isKnown = known.some(
      ({ time, to }) => to === change.to && Math.abs(time - change.time) <= SAME_MS,
    );
    if (isKnown) return;
    const oldest = change.time - 2 * STRIP_MS;
    const all = [...known, change].filter(({ time }) => time >= oldest);
    this.#changes.set(runner, all.toSorted((a, b) => a.time - b.time).slice(-MAX_CHANGES));
  }
}
