import type { JSX } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { outagesOf } from "../core/outage-spans.ts";
import type { Outage, OutageItem } from "../core/outage-spans.ts";
import { CountStrip } from "./count-strip.tsx";
import { FilterBar } from "./filter-bar.tsx";
import { FleetTable } from "./fleet-table.tsx";
import { arrange } from "./fleet-view.ts";
import type { Line } from "./fleet-view.ts";
import { useAnswer, useShared, useTick } from "./hooks.ts";
import type { EventItem, FleetData, ListAnswer } from "./items.ts";
import { placeText } from "./place.ts";
import { SelectionBar, useSelection } from "./selection-bar.tsx";
import { changesByRunner } from "./status-strip.ts";
import type { Change } from "./status-strip.ts";

/** Ages tick and changed rows show. */
const RENDER_EVERY_MS = 250;
/** Rows change places no more often than this: a table that never stands still can't be read. */
const ARRANGE_EVERY_MS = 1_000;
const HOUR_MS = 3_600_000;
const CHANGES_EVERY_MS = 60_000;
/** Newest first; an hour has no more that are long enough to be told. */
const MAX_OUTAGES = 50;

export function FleetPage(): JSX.Element {
  useTick(RENDER_EVERY_MS);
  const { lines, shown } = useArranged();
  const changes = useChanges();
  const outages = useOutages();
  const { fleet } = useShared();
  const selection = useSelection();
  return (
    <main class="fleet">
      <h1 class="hidden">Fleet</h1>
      <CountStrip />
      <FilterBar shown={shown} />
      {selection !== undefined && <SelectionBar selection={selection} lines={lines} />}
      {shown === 0 && fleet.summary !== undefined ? (
        <p class="empty">
          {fleet.runners.size === 0
            ? "No runner was ever heard of. Send a heartbeat, or name runners in the fleet file."
            : "No runner fits these filters."}
        </p>
      ) : (
        <FleetTable lines={lines} changes={changes} outages={outages} selection={selection} />
      )}
    </main>
  );
}

interface Arranged {
  readonly lines: readonly Line[];
  /** How many of them are runners. */
  readonly shown: number;
}

/** Anew when the question changes, and else once a second; rows show what is newest. */
function useArranged(): Arranged {
  const { fleet, place } = useShared();
  const known = useRef<
    (Arranged & { asked: string; of: FleetData; at: number; size: number }) | undefined
  >(undefined);
  const asked = placeText(place);
  const now = performance.now();
  const last = known.current;
  const size = fleet.runners.size;
  const isGood =
    last !== undefined &&
    last.asked === asked &&
    // A moment of the past was loaded.
    last.of === fleet &&
    // The first snapshot comes in.
    last.size === size &&
    now - last.at <= ARRANGE_EVERY_MS;
  if (isGood) return last;
  const lines = arrange(fleet.runners.values(), place.query);
  const shown = lines.filter(({ type }) => type === "runner").length;
  known.current = { lines, shown, asked, of: fleet, at: now, size };
  return known.current;
}

/** Times in which nobody could see: a strip is grey there. */
function useOutages(): readonly Outage[] {
  const { place } = useShared();
  const { at } = place;
  const { answer } = useAnswer<ListAnswer<OutageItem>>(
    "/api/v1/alerts",
    {
      type: "pipeline_down",
      limit: MAX_OUTAGES,
      at: at === undefined ? undefined : new Date(at).toISOString(),
    },
    at === undefined ? CHANGES_EVERY_MS : undefined,
  );
  return useMemo(() => outagesOf(answer?.items ?? []), [answer]);
}

/** Changes of statuses within the last hour: those before this page was opened are asked for. */
function useChanges(): ReadonlyMap<string, readonly Change[]> {
  const { fleet, place } = useShared();
  const { at } = place;
  const before = useAnswer<ListAnswer<EventItem>>(
    "/api/v1/timeline",
    {
      type: "status_changed",
      from: new Date((at ?? fleet.now()) - HOUR_MS).toISOString().replace(/:\d\d\.\d+Z$/, ":00Z"),
      limit: 1_000,
      at: at === undefined ? undefined : new Date(at).toISOString(),
    },
    at === undefined ? CHANGES_EVERY_MS : undefined,
  ).answer;
  const newest = fleet.events.at(-1)?.seq ?? 0;
  return useMemo(() => {
    const events = new Map<number, EventItem>();
    for (const event of before?.items ?? []) events.set(event.seq, event);
    if (at === undefined) for (const event of fleet.events) events.set(event.seq, event);
    return changesByRunner(events.values());
  }, [before, newest, at]);
}
