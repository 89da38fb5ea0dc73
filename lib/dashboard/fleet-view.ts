/** Which runners the table shows, and in what order. */
import { STATUS_SEVERITY, STATUSES } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import type { RunnerItem } from "./items.ts";
import type { FleetQuery, Group, Sort } from "./place.ts";

export type Line =
  | { readonly type: "runner"; readonly item: RunnerItem }
  | {
      readonly type: "group";
      readonly name: string;
      readonly size: number;
      readonly counts: Readonly<Record<Status, number>>;
    };

type Order = (a: RunnerItem, b: RunnerItem) => number;

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Longest silence first; never heard of before all others. */
function bySilence(a: RunnerItem, b: RunnerItem): number {
  return byText(a.last_heartbeat_at ?? "", b.last_heartbeat_at ?? "");
}

/** What is wrong with a runner that is online counts, too. */
export function severityOf({ status, health, duplicate }: RunnerItem): number {
  const base = STATUS_SEVERITY[status] * 4;
  if (health === "unhealthy") return base;
  if (health === "degraded") return base + 1;
  return base + (duplicate ? 2 : 3);
}

function byName(a: RunnerItem, b: RunnerItem): number {
  return byText(a.runner, b.runner);
}

/** Those that are online stay where they are: sorted by silence, they would never stand still. */
function byWorst(a: RunnerItem, b: RunnerItem): number {
  const difference = severityOf(a) - severityOf(b);
  if (difference !== 0) return difference;
  return (a.status === "online" ? 0 : bySilence(a, b)) || byName(a, b);
}

const ORDERS: Readonly<Record<Sort, Order>> = {
  worst: byWorst,
  runner: byName,
  silence: (a, b) => bySilence(a, b) || byName(a, b),
  restarts: (a, b) => restartsOf(b) - restartsOf(a) || byWorst(a, b),
};

function restartsOf({ process }: RunnerItem): number {
  return process?.restarts ?? 0;
}

/** Every word must be somewhere: in the name, the host, a label or the last error. */
function matchesText(item: RunnerItem, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  let text = texts.get(item);
  if (text === undefined) texts.set(item, (text = searchText(item)));
  return words.every((word) => text.includes(word));
}

/** Of the items that were searched: with each letter that is typed, all are searched again. */
const texts = new WeakMap<RunnerItem, string>();

function searchText({ runner, process, last_error, heartbeat }: RunnerItem): string {
  const labels = Object.entries(heartbeat?.labels ?? {}).map(([key, value]) => `${key}:${value}`);
  return [runner, process?.host ?? "", last_error, ...labels].join(" ").toLowerCase();
}

function isIn<Item>(list: readonly Item[], value: Item | null): boolean {
  return list.length === 0 || (value !== null && list.includes(value));
}

/** @param labels each `key:value`. */
function hasLabels({ heartbeat }: RunnerItem, labels: readonly string[]): boolean {
  return labels.every((label) => {
    const colon = label.indexOf(":");
    return heartbeat?.labels[label.slice(0, colon)] === label.slice(colon + 1);
  });
}

/** @returns the runners that fit. */
export function filterRunners(items: Iterable<RunnerItem>, query: FleetQuery): RunnerItem[] {
  const words = query.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return [...items].filter(
    (item) =>
      isIn(query.statuses, item.status) &&
      isIn(query.kinds, item.kind) &&
      isIn(query.healths, item.health) &&
      isIn(query.hosts, item.process?.host ?? null) &&
      hasLabels(item, query.labels) &&
      matchesText(item, words),
  );
}

/** Filtered, sorted and in groups; the worst group first where that is the order. */
export function arrange(items: Iterable<RunnerItem>, query: FleetQuery): Line[] {
  const found = filterRunners(items, query).toSorted(ORDERS[query.sort]);
  if (query.group === "none") return found.map((item) => ({ type: "runner", item }));
  return [...groupsOf(found, query.group)].flatMap(([name, members]): Line[] => [
    { type: "group", name, size: members.length, counts: countStatuses(members) },
    ...members.map((item): Line => ({ type: "runner", item })),
  ]);
}

function groupsOf(items: readonly RunnerItem[], group: Group): Map<string, RunnerItem[]> {
  const groups = new Map<string, RunnerItem[]>();
  for (const item of items) {
    const name = groupName(item, group);
    const members = groups.get(name);
    if (members === undefined) groups.set(name, [item]);
    else members.push(item);
  }
  return groups;
}

function groupName(item: RunnerItem, group: Group): string {
  if (group === "kind") return item.kind;
  if (group === "status") return item.status;
  return item.process?.host ?? "no host";
}

/** Zeros included. */
export function countStatuses(items: Iterable<RunnerItem>): Record<Status, number> {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0]));
  for (const { status } of items) counts[status] = (counts[status] ?? 0) + 1;
  return counts as Record<Status, number>;
}
