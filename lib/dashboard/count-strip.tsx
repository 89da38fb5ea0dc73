/** How many runners are how; each count filters the table. */
import type { JSX } from "preact";
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import type { Health } from "../core/heartbeat.ts";
import { STATUS_SEVERITY, STATUSES } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import { placeOf, useShared } from "./hooks.ts";
import { Link, STATUS_GLYPHS } from "./marks.tsx";
import { ageText } from "./text.ts";

/** Worst first, as in the table. */
const ORDER = STATUSES.toSorted((a, b) => STATUS_SEVERITY[a] - STATUS_SEVERITY[b]);

function toggled<Item>(list: readonly Item[], item: Item): Item[] {
  return list.includes(item) ? list.filter((other) => other !== item) : [...list, item];
}

export function CountStrip(): JSX.Element {
  const { place, fleet, go } = useShared();
  const { summary } = fleet;
  const { query } = place;
  const chooseStatus = (status: Status): void =>
    go({ query: { ...query, statuses: toggled(query.statuses, status) } });
  const chooseHealth = (health: Health): void =>
    go({ query: { ...query, healths: toggled(query.healths, health) } });
  return (
    <div class="counts" role="group" aria-label="Counts; each filters the table">
      {ORDER.map((status) => (
        <button
          key={status}
          type="button"
          class={`count s-${status} ${(summary?.status[status] ?? 0) === 0 ? "zero" : ""}`}
          aria-pressed={query.statuses.includes(status)}
          onClick={() => chooseStatus(status)}
        >
          <b>{summary?.status[status] ?? "–"}</b>
          <span>
            <span class="glyph" aria-hidden="true">
              {STATUS_GLYPHS[status]}
            </span>{" "}
            {status}
          </span>
        </button>
      ))}
      <span class="gap" />
      {HEALTH_VALUES.map((health) => (
        <button
          key={health}
          type="button"
          class={`count h-${health} ${(summary?.health[health] ?? 0) === 0 ? "zero" : ""}`}
          aria-pressed={query.healths.includes(health)}
          onClick={() => chooseHealth(health)}
        >
          <b>{summary?.health[health] ?? "–"}</b>
          <span>{health}</span>
        </button>
      ))}
      <Silence />
    </div>
  );
}

function Silence(): JSX.Element | null {
  const shared = useShared();
  const silence = shared.fleet.summary?.oldest_silence;
  if (silence == null) return null;
  const age = ageText(shared.fleet.now() - Date.parse(silence.last_heartbeat_at));
  return (
    <p class="silence">
      <span class="dim">Oldest silence</span> <b>{age}</b>{" "}
      <Link to={placeOf(shared, { name: "runner", runner: silence.runner })}>{silence.runner}</Link>
    </p>
  );
}
