import type { JSX } from "preact";
import { placeOf, useShared } from "./hooks.ts";
import { eventText } from "../core/event-text.ts";
import type { EventItem } from "./items.ts";
import { Link, StatusMark } from "./marks.tsx";
import { changeOf } from "./status-strip.ts";
import { clockText } from "./text.ts";

const BAD = new Set([
  "process_lost",
  "restart_exhausted",
  "restart_denied",
  "limit_exceeded",
  "camera_offline",
  "check_failed",
]);

/** @param props.isOfFleet of many runners: each is named. */
export function EventList(props: {
  readonly events: readonly EventItem[];
  readonly isOfFleet?: boolean;
}): JSX.Element {
  const shared = useShared();
  const now = shared.fleet.now();
  return (
    <ol class="events">
      {props.events.map((event) => (
        <li key={event.seq}>
          <time dateTime={event.time}>{clockText(event.time, now)}</time>
          {props.isOfFleet === true && (
            <Link to={placeOf(shared, { name: "runner", runner: event.runner })}>
              {event.runner}
            </Link>
          )}
          <span class={BAD.has(event.type) ? "bad" : ""}>{event.type.replaceAll("_", " ")}</span>
          <EventDetail event={event} />
          <span class="dim by">{event.by}</span>
        </li>
      ))}
    </ol>
  );
}

function EventDetail({ event }: { readonly event: EventItem }): JSX.Element {
  const change = changeOf(event);
  if (change === undefined) return <span class="detail">{eventText(event.type, event.data)}</span>;
  return (
    <span class="detail">
      {change.from !== undefined && (
        <>
          <StatusMark status={change.from} /> <span class="dim">to</span>{" "}
        </>
      )}
      <StatusMark status={change.to} />{" "}
      <span class="dim">{typeof event.data["cause"] === "string" ? event.data["cause"] : ""}</span>
    </span>
  );
}
