import type { JSX } from "preact";
import { EventList } from "./event-list.tsx";
import { useAnswer, useShared, useTick } from "./hooks.ts";
import type { EventItem, ListAnswer } from "./items.ts";

const SHOWN = 200;

/** What happened in the whole fleet, newest first. */
export function EventsPage(): JSX.Element {
  useTick(1_000);
  const { fleet, place } = useShared();
  const at = place.at === undefined ? undefined : new Date(place.at).toISOString();
  const { answer, trouble } = useAnswer<ListAnswer<EventItem>>(
    "/api/v1/timeline",
    { limit: SHOWN, at },
    undefined,
  );
  const events = new Map<number, EventItem>();
  for (const event of answer?.items ?? []) events.set(event.seq, event);
  for (const event of fleet.events) events.set(event.seq, event);
  const newest = [...events.values()].toSorted((a, b) => b.seq - a.seq).slice(0, SHOWN);
  return (
    <main>
      <h1>Events</h1>
      {trouble !== "" && <p class="trouble">{trouble}</p>}
      {answer !== undefined && newest.length === 0 && (
        <p class="empty">Nothing has happened yet.</p>
      )}
      <EventList events={newest} isOfFleet />
    </main>
  );
}
