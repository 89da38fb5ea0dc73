import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { STATUS_SEVERITY, STATUSES } from "../core/status.ts";
import type { Outage } from "../core/outage-spans.ts";
import { placeOf, useShared } from "./hooks.ts";
import type { Shared } from "./hooks.ts";
import type { Line } from "./fleet-view.ts";
import type { RunnerItem } from "./items.ts";
import { HealthMark, Link, StatusMark, STATUS_GLYPHS, Strip } from "./marks.tsx";
import { stripOf } from "./status-strip.ts";
import type { Change } from "./status-strip.ts";
import { mainFigure, sinceText, SKEW_WARN_MS, skewText } from "./text.ts";

const HOUR_MS = 3_600_000;
/** Less is not to be seen in an hour's strip. */
const STRIP_STEP_MS = 5_000;
const NO_CHANGES: readonly Change[] = [];

interface RowPlace {
  readonly index: number;
  readonly top: number;
  readonly isActive: boolean;
}

interface RowProps extends RowPlace {
  readonly item: RunnerItem;
  readonly changes: readonly Change[] | undefined;
  readonly outages: readonly Outage[];
  readonly now: number;
  /** Undefined where rows can't be selected. */
  readonly isSelected: boolean | undefined;
  readonly toggle: ((runner: string) => void) | undefined;
}

/** Made anew only where something in it is another: most rows are as they were. */
export function FleetRow(props: RowProps): JSX.Element {
  const { item, changes, outages, now, isSelected, toggle } = props;
  const shared = useShared();
  const seen = sinceText(item.last_heartbeat_at, now);
  const stripNow = Math.floor(now / STRIP_STEP_MS) * STRIP_STEP_MS;
  const { index, top, isActive } = props;
  return useMemo(
    () => rowOf({ ...props, now: stripNow }, seen, shared),
    [item, changes, outages, seen, stripNow, shared, index, top, isActive, isSelected, toggle],
  );
}

function rowOf(props: RowProps, seen: string, shared: Shared): JSX.Element {
  const { item, changes, outages, now, isSelected, toggle, ...place } = props;
  const restarts = item.process?.restarts ?? 0;
  const skew = item.clock_skew_ms;
  const strip = stripOf(item, changes ?? NO_CHANGES, { now, lengthMs: HOUR_MS, outages });
  return (
    <div
      {...rowAttributes(place)}
      aria-selected={isSelected ?? place.isActive}
      class={`row line ${place.isActive ? "active" : ""} ${isSelected === true ? "selected" : ""}`}
    >
      <span role="gridcell" class="c-status">
        {isSelected !== undefined && (
          <PickBox runner={item.runner} isSelected={isSelected} toggle={toggle} />
        )}
        <StatusMark status={item.status} />
      </span>
      <span role="gridcell" class="c-runner">
        <Link to={placeOf(shared, { name: "runner", runner: item.runner })} tabIndex={-1}>
          {item.runner}
        </Link>
        <Flags item={item} />
        {item.last_error !== "" && <span class="error">{item.last_error}</span>}
      </span>
      <span role="gridcell" class="c-host">
        {item.process?.host ?? ""}
      </span>
      <span role="gridcell" class="c-seen">
        {seen}
      </span>
      <span role="gridcell" class="c-health">
        <HealthMark health={item.health} status={item.status} />
      </span>
      <span role="gridcell" class="c-figure">
        {mainFigure(item)}
      </span>
      <span role="gridcell" class={`c-restarts ${restarts === 0 ? "dim" : ""}`}>
        {restarts}
      </span>
      <span role="gridcell" class={`c-skew ${Math.abs(skew ?? 0) < SKEW_WARN_MS ? "dim" : "bad"}`}>
        {skewText(skew)}
      </span>
      <span role="gridcell" class="c-hour">
        <Strip spans={strip} label={stripLabel(strip.length, item)} />
      </span>
    </div>
  );
}

type PickProps = Pick<RowProps, "toggle"> & {
  readonly runner: string;
  readonly isSelected: boolean;
};

function PickBox({ runner, isSelected, toggle }: PickProps): JSX.Element {
  return (
    <input
      type="checkbox"
      class="pick"
      tabIndex={-1}
      aria-label={`Select ${runner}`}
      checked={isSelected}
      onChange={(event) => {
        // It shows what is selected, which may be all that can be.
        event.currentTarget.checked = isSelected;
        toggle?.(runner);
      }}
    />
  );
}

function stripLabel(spans: number, { status }: RunnerItem): string {
  return spans <= 1 ? `${status} all the time` : `${spans - 1} changes in the last hour`;
}

function Flags({ item }: { readonly item: RunnerItem }): JSX.Element {
  return (
    <>
      {item.duplicate && <em class="flag bad">duplicate</em>}
      {item.paused && <em class="flag">paused</em>}
    </>
  );
}

type GroupLine = Extract<Line, { type: "group" }>;

interface GroupProps extends RowPlace {
  readonly group: GroupLine;
  readonly columns: number;
}

const WORST_FIRST = STATUSES.toSorted((a, b) => STATUS_SEVERITY[a] - STATUS_SEVERITY[b]);

export function GroupRow({ group, columns, ...place }: GroupProps): JSX.Element {
  return (
    <div {...rowAttributes(place)} class="row group">
      <span role="gridcell" aria-colspan={columns}>
        <b>{group.name}</b> <span class="dim">{group.size}</span>{" "}
        {WORST_FIRST.filter((status) => group.counts[status] > 0).map((status) => (
          <span key={status} class={`mark s-${status}`}>
            {STATUS_GLYPHS[status]} {group.counts[status]} {status}
          </span>
        ))}
      </span>
    </div>
  );
}

function rowAttributes({ index, top, isActive }: RowPlace) {
  return {
    role: "row",
    id: `row-${index}`,
    "aria-rowindex": index + 2,
    "aria-selected": isActive,
    style: { transform: `translateY(${top}px)` },
  } as const;
}
