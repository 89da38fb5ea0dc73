/** What a runner's status was over a span of time, from the changes that were told. */
import { withOutages } from "../core/outage-spans.ts";
import type { Outage } from "../core/outage-spans.ts";
import { STATUSES } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import type { EventItem, RunnerItem } from "./items.ts";

export interface Change {
  /** Epoch ms. */
  readonly at: number;
  readonly from: Status | undefined;
  readonly to: Status;
}

export interface Span {
  /** Parts of the whole, 0 to 1. */
  readonly from: number;
  readonly to: number;
  /** Undefined where nobody knows. */
  readonly status: Status | undefined;
}

/** Which time a strip is of; epoch ms. */
export interface StripTime {
  readonly now: number;
  readonly lengthMs: number;
  /** Times in which nobody could see. */
  readonly outages: readonly Outage[];
}

function asStatus(value: unknown): Status | undefined {
  return STATUSES.find((status) => status === value);
}

/** Undefined for an event that is no change of a status. */
export function changeOf({ type, time, data }: EventItem): Change | undefined {
  const to = asStatus(data["to"]);
  if (type !== "status_changed" || to === undefined) return undefined;
  const at = Date.parse(time);
  return { at, from: asStatus(data["from"]), to };
}

/** By runner, oldest first. @param events in any order. */
export function changesByRunner(events: Iterable<EventItem>): Map<string, Change[]> {
  const changes = new Map<string, Change[]>();
  for (const event of events) {
    const change = changeOf(event);
    if (change === undefined) continue;
    const known = changes.get(event.runner);
    if (known === undefined) changes.set(event.runner, [change]);
    else known.push(change);
  }
  for (const list of changes.values()) list.sort((a, b) => a.at - b.at);
  return changes;
}

/**
 * The last `lengthMs` up to `now`. Before the first change a runner was what that came from; one
 * without any has been what it is since `status_since`, and before that nobody knows.
 * @param changes oldest first.
 */
export function stripOf(
  item: Pick<RunnerItem, "status" | "status_since">,
  changes: readonly Change[],
  { now, lengthMs, outages }: StripTime,
): Span[] {
  const start = now - lengthMs;
  const since = Date.parse(item.status_since);
  // Its own word on the present is newer than any change that was told.
  const known = changes.filter(({ at }) => at < since);
  const steps = [...known, { at: since, from: known.at(-1)?.to, to: item.status }];
  const stretches = [
    { from: -Infinity, to: steps[0]?.at ?? now, status: changes[0]?.from },
    ...steps.map(({ at, to: status }, index) => {
      return { from: at, to: steps[index + 1]?.at ?? now, status };
    }),
  ];
  return withOutages(stretches, outages).flatMap(({ from, to, status }) => {
    const [a, b] = [Math.max(from, start), Math.min(to, now)];
    if (b <= a) return [];
    return [{ from: (a - start) / lengthMs, to: (b - start) / lengthMs, status }];
  });
}
