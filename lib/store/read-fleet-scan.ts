/** Filters, sorts and counts the fleet in memory: one pass over its columns for each request. */
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import type { Health } from "../core/heartbeat.ts";
import type {
  Counts,
  Moment,
  RunnerFilter,
  RunnerPosition,
  RunnerQuery,
  SortKey,
  Summary,
} from "../core/read-models.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import type { RunnerKind } from "../core/runner-id.ts";
import { STATUSES, STATUS_SEVERITY } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import { NEVER, NO_HEALTH, NOT_LISTED } from "./read-fleet-table.ts";
import type { FleetTable } from "./read-fleet-table.ts";

const SEVERITY_OF_CODE = STATUSES.map((status) => STATUS_SEVERITY[status]);
const BY_NAME = STATUSES.toSorted();
const NAME_PLACE_OF_CODE = STATUSES.map((status) => BY_NAME.indexOf(status));

/** The two numbers that a slot is sorted by, its status's and a column's; then comes its name. */
interface SortValues {
  readonly ofStatus: readonly number[];
  readonly column: Float64Array | undefined;
}

const NOTHING = STATUSES.map(() => 0);

function sortValues({ columns }: FleetTable, key: SortKey): SortValues {
  switch (key) {
    case "severity":
      return { ofStatus: SEVERITY_OF_CODE, column: columns.lastHeartbeatAt };
    case "status":
      return { ofStatus: NAME_PLACE_OF_CODE, column: undefined };
    case "last_heartbeat_at":
      return { ofStatus: NOTHING, column: columns.lastHeartbeatAt };
    case "restarts":
      return { ofStatus: NOTHING, column: columns.restarts };
    case "runner":
      return { ofStatus: NOTHING, column: undefined };
  }
}

/** Marks the codes of the wanted values; undefined where any will do. */
function codeSet<T>(all: readonly T[], wanted: readonly T[]): Uint8Array | undefined {
  if (wanted.length === 0) return undefined;
  const set = new Uint8Array(all.length + 1);
  for (const value of wanted) set[all.indexOf(value)] = 1;
  return set;
}

/** Marks the hosts that pass a filter, by their number. */
function hostSet(table: FleetTable, passes: (host: string) => boolean): Uint8Array {
  return Uint8Array.from(table.hosts, (host) => (passes(host) ? 1 : 0));
}

/** Which slots pass everything but the status. */
type SlotFilter = (slot: number) => boolean;

/** One look at a column after the other, the dearest last; what is not asked for costs nothing. */
function slotFilter(table: FleetTable, filter: RunnerFilter): SlotFilter {
  const { listed, retired, kind, health, host } = table.columns;
  const kinds = codeSet<RunnerKind>(RUNNER_KINDS, filter.kinds);
  const healths = codeSet<Health>(HEALTH_VALUES, filter.healths);
  const hosts =
    filter.hosts.length === 0 ? undefined : hostSet(table, (name) => filter.hosts.includes(name));
  const hasText = filter.text === "" ? undefined : textFilter(table, filter.text);
  const hasLabels = filter.labels.length === 0 ? undefined : labelFilter(table, filter.labels);
  return (slot) =>
    listed[slot] === 1 &&
    (retired[slot] === 0 || filter.retired) &&
    (kinds === undefined || kinds[kind[slot] as number] === 1) &&
    (healths === undefined || healths[health[slot] as number] === 1) &&
    (hosts === undefined || hosts[host[slot] as number] === 1) &&
    (hasLabels === undefined || hasLabels(slot)) &&
    (hasText === undefined || hasText(slot));
}

function textFilter(table: FleetTable, text: string): SlotFilter {
  const { host } = table.columns;
  const hosts = hostSet(table, (name) => name.toLowerCase().includes(text));
  const named = table.names().withText(text);
  return (slot) => named[slot] === 1 || hosts[host[slot] as number] === 1;
}

/** Equal labels are one list in memory: each is looked into once. */
function labelFilter(table: FleetTable, wanted: readonly string[]): SlotFilter {
  const { labels } = table.columns;
  const haveAll = (own: readonly string[]): boolean => wanted.every((label) => own.includes(label));
  const verdicts = Uint8Array.from(table.labelLists, (list) => (haveAll(list) ? 1 : 0));
  return (slot) => {
    const list = labels[slot] as number;
    return list === NOT_LISTED ? haveAll(table.record(slot).labels) : verdicts[list] === 1;
  };
}

/** A slot with the values that it is sorted by, all ascending. */
interface Entry {
  readonly slot: number;
  readonly first: number;
  readonly second: number;
  readonly place: number;
}

function isBefore(one: Entry, other: Entry): boolean {
  if (one.first !== other.first) return one.first < other.first;
  if (one.second !== other.second) return one.second < other.second;
  return one.place < other.place;
}

/** Keeps the `capacity` smallest of what is offered: a binary heap with the largest on top. */
class Smallest {
  private readonly heap: Entry[] = [];
  private readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Whether such an entry would be kept; saves making one. */
  takes(first: number, second: number, place: number): boolean {
    const top = this.heap[0];
    if (this.heap.length < this.capacity || top === undefined) return true;
    if (first !== top.first) return first < top.first;
    if (second !== top.second) return second < top.second;
    return place < top.place;
  }

  add(entry: Entry): void {
    if (this.heap.length < this.capacity) this.rise(entry);
    else this.sink(entry);
  }

  sorted(): Entry[] {
    return this.heap.toSorted((one, other) => (isBefore(one, other) ? -1 : 1));
  }

  private rise(entry: Entry): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as Entry;
      if (!isBefore(parent, entry)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = entry;
  }

  private sink(entry: Entry): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = left + 1;
      const isRight = right < heap.length && isBefore(heap[left] as Entry, heap[right] as Entry);
      const childAt = isRight ? right : left;
      const child = heap[childAt] as Entry;
      if (!isBefore(entry, child)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = entry;
  }
}

/** The slots of one page, in order, and where it ended if there are more. */
export interface FleetPage {
  readonly slots: readonly number[];
  readonly next: RunnerPosition | undefined;
}

/** The page of the fleet that a query asks for. Its cost is one pass at most, whatever the page. */
export function scanFleet(table: FleetTable, query: RunnerQuery, moment: Moment): FleetPage {
  table.useView(moment);
  const passes = filterOf(table, query, moment);
  return query.sort.key === "runner"
    ? pageByName(table, query, passes)
    : pageByValues(table, query, moment, passes);
}

function filterOf(table: FleetTable, query: RunnerQuery, { now }: Moment): SlotFilter {
  const passes = slotFilter(table, query);
  const statuses = codeSet<Status>(STATUSES, query.statuses);
  if (statuses === undefined) return passes;
  return (slot) => passes(slot) && statuses[table.statusAt(slot, now)] === 1;
}

/** Names lie in order: the page is where the last one ended. */
function pageByName(
  table: FleetTable,
  { after, sort, limit }: RunnerQuery,
  passes: SlotFilter,
): FleetPage {
  const { slots, placeOf } = table.names();
  const step = sort.descending ? -1 : 1;
  let place = sort.descending ? slots.length - 1 : 0;
  if (after !== undefined) place = placeOf(after.runner, step);
  const found: Entry[] = [];
  for (; place >= 0 && place < slots.length && found.length <= limit; place += step) {
    const slot = slots[place] as number;
    if (passes(slot)) found.push({ slot, first: 0, second: 0, place });
  }
  return pageOf(table, found, limit);
}

function pageByValues(
  table: FleetTable,
  query: RunnerQuery,
  { now }: Moment,
  passes: SlotFilter,
): FleetPage {
  const sign = query.sort.descending ? -1 : 1;
  const { ofStatus, column } = sortValues(table, query.sort.key);
  const { places } = table.names();
  const { after } = query;
  const best = new Smallest(query.limit + 1);
  for (let slot = 0; slot < places.length; slot++) {
    if (!passes(slot)) continue;
    const first = sign * (ofStatus[table.statusAt(slot, now)] as number);
    const second = column === undefined ? 0 : sign * (column[slot] as number);
    const place = places[slot] as number;
    if (!best.takes(first, second, place)) continue;
    if (after !== undefined && !isBehind(table, after, first, second, slot)) continue;
    best.add({ slot, first, second, place });
  }
  return pageOf(table, best.sorted(), query.limit);
}

/** Whether a slot comes after the last item of the page before. */
function isBehind(
  table: FleetTable,
  after: RunnerPosition,
  first: number,
  second: number,
  slot: number,
): boolean {
  if (first !== after.first) return first > after.first;
  if (second !== after.second) return second > after.second;
  return table.record(slot).runner > after.runner;
}

function pageOf(table: FleetTable, entries: readonly Entry[], limit: number): FleetPage {
  const kept = entries.slice(0, limit);
  const last = kept.at(-1);
  const hasMore = entries.length > limit && last !== undefined;
  return {
    slots: kept.map(({ slot }) => slot),
    next: hasMore
      ? { first: last.first, second: last.second, runner: table.record(last.slot).runner }
      : undefined,
  };
}

function zeroes<Key extends string>(keys: readonly Key[]): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>;
}

function emptyCounts(): Counts {
  return { total: 0, status: zeroes(STATUSES), health: zeroes(HEALTH_VALUES) };
}

/** Counts by kind, then status (`STATUSES`), then health; the last place of health is "none". */
function tally(table: FleetTable, now: number): { counts: Uint32Array; oldest: number } {
  const { columns } = table;
  const healths = NO_HEALTH + 1;
  const counts = new Uint32Array(RUNNER_KINDS.length * STATUSES.length * healths);
  let oldest = -1;
  let oldestAt = Infinity;
  for (let slot = 0; slot < table.records.length; slot++) {
    if (columns.listed[slot] !== 1 || columns.retired[slot] === 1) continue;
    const status = table.statusAt(slot, now);
    const group = (columns.kind[slot] as number) * STATUSES.length + status;
    const at = group * healths + (columns.health[slot] as number);
    counts[at] = (counts[at] as number) + 1;
    const lastAt = columns.lastHeartbeatAt[slot] as number;
    if (lastAt !== NEVER && lastAt < oldestAt && mayBeSilent(table, slot)) {
      oldest = slot;
      oldestAt = lastAt;
    }
  }
  return { counts, oldest };
}

/** A paused runner, and one whose process ended, are quiet for a reason. */
function mayBeSilent(table: FleetTable, slot: number): boolean {
  const { liveness, restart } = table.record(slot);
  return liveness.endedAt === null && restart?.paused !== 1;
}

/** Counts of the whole fleet but the retired. */
export function summarizeFleet(table: FleetTable, moment: Moment): Omit<Summary, "seq"> {
  table.useView(moment);
  const { counts, oldest } = tally(table, moment.now);
  const all = emptyCounts();
  const kinds = Object.fromEntries(RUNNER_KINDS.map((kind) => [kind, emptyCounts()])) as Record<
    RunnerKind,
    Counts
  >;
  let at = 0;
  for (const kind of RUNNER_KINDS) {
    for (const status of STATUSES) {
      for (let health = 0; health <= NO_HEALTH; health++) {
        const count = counts[at++] as number;
        if (count === 0) continue;
        add(all, status, HEALTH_VALUES[health], count);
        add(kinds[kind], status, HEALTH_VALUES[health], count);
      }
    }
  }
  const silent = oldest < 0 ? undefined : table.record(oldest);
  const oldestSilence =
    silent === undefined
      ? undefined
      : { runner: silent.runner, lastHeartbeatAt: silent.liveness.lastHeartbeatAt ?? 0 };
  return { ...all, kinds, oldestSilence };
}

function add(counts: Counts, status: Status, health: Health | undefined, count: number): void {
  counts.total += count;
  counts.status[status] += count;
  if (health !== undefined) counts.health[health] += count;
}
