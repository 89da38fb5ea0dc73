/** The fleet as it was at a moment, from the read routes. */
import { askApi } from "./api-client.ts";
import type { FleetData, ListAnswer, RunnerItem, SummaryItem } from "./items.ts";

const PAGE = 1_000;
/** More than any installation that was measured. */
const MAX_PAGES = 200;

export interface PastFleet extends FleetData {
  readonly at: number;
}

/** @throws what {@link askApi} throws. */
export async function loadPast(atMs: number, signal: AbortSignal): Promise<PastFleet> {
  const at = new Date(atMs).toISOString();
  const summary = await askApi<SummaryItem>("/api/v1/summary", { at }, signal);
  const runners = new Map<string, RunnerItem>();
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = { at, cursor, limit: PAGE, sort: "runner" };
    const list: ListAnswer<RunnerItem> = await askApi("/api/v1/runners", query, signal);
    for (const item of list.items) runners.set(item.runner, item);
    cursor = list.next_cursor;
    if (cursor === null) break;
  }
  return { at: atMs, runners, summary, events: [], now: () => atMs };
}

interface EventTime {
  readonly time: string;
}

/** How far ahead the next change is looked for, ms: near ones first, so that no page is long. */
const AHEAD_MS = [60_000, 600_000, 3_600_000, 21_600_000, 86_400_000, 90 * 86_400_000];

/** When something happened last before a moment, or next after it; undefined where nothing did. */
export async function changeBeside(
  atMs: number,
  direction: "previous" | "next",
  signal: AbortSignal,
): Promise<number | undefined> {
  const timesOf = async (
    from: number | undefined,
    to: number,
    limit: number,
  ): Promise<number[]> => {
    const query = {
      from: from === undefined ? undefined : new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      limit,
    };
    const list = await askApi<ListAnswer<EventTime>>("/api/v1/timeline", query, signal);
    return list.items.map(({ time }) => Date.parse(time));
  };
  if (direction === "previous") return (await timesOf(undefined, atMs - 1, 1))[0];
  for (const aheadMs of AHEAD_MS) {
    const next = (await timesOf(atMs + 1, atMs + aheadMs, PAGE)).at(-1);
    if (next !== undefined) return next;
  }
  return undefined;
}
