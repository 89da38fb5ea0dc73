/** The fleet as it was at a moment, from the read routes. */
import { ApiProblem, askApi } from "./api-client.ts";
import type { FleetData, ListAnswer, RunnerItem, SummaryItem } from "./items.ts";
import type { Page } from "./place.ts";

const PAGE = 1_000;
/** More than any installation that was measured. */
const MAX_PAGES = 200;

/** Which runners were asked for: `all`, `none`, or the one of this name. */
export type PastScope = string;

export interface PastFleet extends FleetData {
  readonly at: number;
  readonly scope: PastScope;
}

/** Only the fleet's page shows all of them: of a large one, they take their time. */
export function scopeOf(page: Page): PastScope {
  if (page.name === "fleet") return "all";
  return page.name === "runner" ? page.runner : "none";
}

/** @throws what {@link askApi} throws. */
export async function loadPast(
  atMs: number,
  scope: PastScope,
  signal: AbortSignal,
): Promise<PastFleet> {
  const at = new Date(atMs).toISOString();
  const summary = await askApi<SummaryItem>("/api/v1/summary", { at }, signal);
  const items = await runnersAt(at, scope, signal);
  const runners = new Map(items.map((item) => [item.runner, item]));
  return { at: atMs, scope, runners, summary, events: [], now: () => atMs };
}

async function runnersAt(
  at: string,
  scope: PastScope,
  signal: AbortSignal,
): Promise<readonly RunnerItem[]> {
  if (scope === "none") return [];
  if (scope === "all") return await allRunners(at, signal);
  try {
    return [await askApi<RunnerItem>(`/api/v1/runners/${scope}`, { at }, signal)];
  } catch (error) {
    // It was not there yet.
    if (error instanceof ApiProblem && error.status === 404) return [];
    throw error;
  }
}

async function allRunners(at: string, signal: AbortSignal): Promise<RunnerItem[]> {
  const found: RunnerItem[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = { at, cursor, limit: PAGE, sort: "runner" };
    const list: ListAnswer<RunnerItem> = await askApi("/api/v1/runners", query, signal);
    found.push(...list.items);
    cursor = list.next_cursor;
    if (cursor === null) break;
  }
  return found;
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
