/** What `runbeat top` asks the read API for beside the live stream. */
import { outagesOf } from "../lib/core/outage-spans.ts";
import type { OutageItem } from "../lib/core/outage-spans.ts";
import { formatTime } from "../lib/core/time.ts";
import type { TopAlerts } from "../lib/terminal/top-header.ts";
import { TopFleet } from "../lib/terminal/top-fleet.ts";
import type { TopEvent } from "../lib/terminal/top-fleet.ts";
import type { TopDetails } from "../lib/terminal/top-pages.ts";
import { STRIP_MS } from "../lib/terminal/top-strip.ts";
import { fetchAll } from "./fleet-pages.ts";
import type { ReadApi } from "./read-api.ts";

const SHOWN_EVENTS = 200;
const DETAIL_EVENTS = 50;
const ALERTS = 100;
/** Of changes of status, a thousand each: a fleet that changes more often has no calm history. */
const MAX_CHANGE_PAGES = 5;

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
  readonly as_of: { readonly time: string };
}

/**
 * The whole fleet, now or at a moment.
 * @param at epoch ms; undefined for now.
 * @param into takes what is read; a new one unless given.
 */
export async function readFleet(
  api: ReadApi,
  at: number | undefined,
  into = new TopFleet(),
): Promise<TopFleet> {
  const query = at === undefined ? "" : `at=${formatTime(at)}`;
  const [summary, fleet, events] = await Promise.all([
    api.get(`/api/v1/summary?${query}`),
    fetchAll(api, "/api/v1/runners", new URLSearchParams(query)),
    api.get(`/api/v1/timeline?limit=${SHOWN_EVENTS}&${query}`) as Promise<Page<TopEvent>>,
  ]);
  const localMs = Date.now();
  into.begin();
  into.take("snapshot", { ...fleet, more: false }, localMs);
  into.take("summary", summary, localMs);
  for (const event of events.items.toReversed()) into.noteEvent(event);
  return into;
}

/** The changes of status of the last hour before a moment, and what else happened last. */
export async function addHistory(
  api: ReadApi,
  fleet: TopFleet,
  at: number | undefined,
): Promise<void> {
  const then = at === undefined ? "" : `&at=${formatTime(at)}`;
  const last = (await api.get(`/api/v1/timeline?limit=${SHOWN_EVENTS}${then}`)) as Page<TopEvent>;
  if (at === undefined) fleet.addOlder(last.items);
  const query = new URLSearchParams({ type: "status_changed", limit: "1000" });
  // Not our clock: the API's own may run otherwise, or stand still.
  query.set("from", formatTime(Date.parse(last.as_of.time) - STRIP_MS));
  if (at !== undefined) query.set("at", formatTime(at));
  const changes: TopEvent[] = [];
  for (let page = 0; page < MAX_CHANGE_PAGES; page++) {
    const found = (await api.get(`/api/v1/timeline?${query.toString()}`)) as Page<TopEvent>;
    changes.push(...found.items);
    if (found.next_cursor === null) break;
    query.set("cursor", found.next_cursor);
  }
  for (const event of changes) fleet.noteChangeOf(event);
  const outages = await orNothing<Page<OutageItem>>(
    api,
    `/api/v1/alerts?type=pipeline_down&limit=${ALERTS}${then}`,
  );
  fleet.outages = outagesOf(outages?.items ?? []);
}

interface AlertItem {
  readonly severity: string;
  readonly silenced: boolean;
}

/** Open alerts that nobody silenced; undefined where the API tells none. */
export async function readAlerts(api: ReadApi): Promise<TopAlerts | undefined> {
  try {
    const path = `/api/v1/alerts?state=open&limit=${ALERTS}`;
    const { items } = (await api.get(path)) as Page<AlertItem>;
    const open = items.filter(({ silenced }) => !silenced);
    const critical = open.filter(({ severity }) => severity === "critical").length;
    return { open: open.length, critical };
  } catch {
    return undefined;
  }
}

interface Bucket {
  readonly ts: string;
  readonly fps: { readonly mean: number } | null;
}

/**
 * What the page of a runner shows; what can't be had is left out.
 * @param now the moment that is shown, epoch ms on the server's clock.
 */
export async function readDetails(
  api: ReadApi,
  runner: string,
  { at, now }: { readonly at: number | undefined; readonly now: number },
): Promise<TopDetails> {
  const then = at === undefined ? "" : `&at=${formatTime(at)}`;
  const own = `/api/v1/runners/${runner}`;
  const from = formatTime(now - STRIP_MS);
  const [explained, events, history] = await Promise.all([
    at === undefined ? orNothing<{ headline: string }>(api, `${own}/explain`) : undefined,
    orNothing<Page<TopEvent>>(api, `${own}/timeline?limit=${DETAIL_EVENTS}${then}`),
    orNothing<Page<Bucket>>(api, `${own}/history?every=60s&from=${from}${then}`),
  ]);
  return {
    runner,
    headline: explained?.headline ?? "",
    events: events?.items ?? [],
    fps: minutesOf(history?.items ?? [], now),
  };
}

async function orNothing<T>(api: ReadApi, path: string): Promise<T | undefined> {
  try {
    return (await api.get(path)) as T;
  } catch {
    return undefined;
  }
}

const MINUTE_MS = 60_000;

/** One value for each of the last sixty minutes. */
function minutesOf(buckets: readonly Bucket[], now: number): (number | null)[] {
  const byMinute = new Map(
    buckets.map(({ ts, fps }) => [Math.floor(Date.parse(ts) / MINUTE_MS), fps?.mean ?? null]),
  );
  const last = Math.floor(now / MINUTE_MS);
  return Array.from({ length: 60 }, (_, index) => byMinute.get(last - 59 + index) ?? null);
}
