/** The table of the fleet. Only the rows in sight exist, so that 10,000 runners scroll smoothly. */
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Line } from "./fleet-view.ts";
import { FleetRow, GroupRow } from "./fleet-row.tsx";
import { useNarrow, useShared } from "./hooks.ts";
import type { Selection } from "./selection-bar.tsx";
import type { Outage } from "../core/outage-spans.ts";
import type { Change } from "./status-strip.ts";

const ROW_PX = 34;
const NARROW_ROW_PX = 62;
/** Rows beyond the edges, so that a quick scroll shows none that are empty. */
const SPARE_ROWS = 8;

export const TABLE_ID = "fleet";

const COLUMNS = [
  "Status",
  "Runner",
  "Host",
  "Last seen",
  "Health",
  "Figure",
  "Restarts",
  "Clock",
  "Last hour",
] as const;

interface TableProps {
  readonly lines: readonly Line[];
  readonly changes: ReadonlyMap<string, readonly Change[]>;
  /** Times in which nobody could see. */
  readonly outages: readonly Outage[];
  /** Undefined where rows can't be selected. */
  readonly selection: Selection | undefined;
}

export function FleetTable({ lines, changes, outages, selection }: TableProps): JSX.Element {
  const shared = useShared();
  const rowPx = useNarrow() ? NARROW_ROW_PX : ROW_PX;
  const { box, first, count } = useWindow(lines.length, rowPx);
  const [active, setActive] = useState<string | undefined>();
  const activeIndex = active === undefined ? -1 : lines.findIndex((line) => isRunner(line, active));
  const move = (index: number): void => {
    const to = nextRunner(lines, index, index >= activeIndex ? 1 : -1);
    const line = lines[to];
    if (line?.type !== "runner") return;
    setActive(line.item.runner);
    scrollTo(box.current, to, rowPx);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && active !== undefined && event.target === box.current) {
      shared.go({ page: { name: "runner", runner: active } });
      return;
    }
    if ((event.key === " " || event.key === "x") && event.target === box.current) {
      event.preventDefault();
      if (active !== undefined) selection?.toggle(active);
      return;
    }
    const to = targetOf(event.key, activeIndex, { last: lines.length - 1, page: count });
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  };
  const shownLines = lines.slice(first, first + count);
  const isActiveShown = activeIndex >= first && activeIndex < first + count;
  return (
    <div
      id={TABLE_ID}
      class="table"
      role="grid"
      aria-label="Runners"
      aria-multiselectable={selection !== undefined}
      aria-rowcount={lines.length + 1}
      aria-colcount={COLUMNS.length}
      aria-activedescendant={isActiveShown ? `row-${activeIndex}` : undefined}
      tabIndex={0}
      ref={box}
      onKeyDown={onKeyDown}
    >
      <TableHead />
      <div class="rows" role="rowgroup" style={{ height: `${lines.length * rowPx}px` }}>
        {shownLines.map((line, offset) => {
          const index = first + offset;
          const place = { index, top: index * rowPx, isActive: index === activeIndex };
          // A row that leaves at one end comes back at the other: none is made while one scrolls.
          const key = index % count;
          if (line.type === "group")
            return <GroupRow key={key} group={line} columns={COLUMNS.length} {...place} />;
          const { runner } = line.item;
          return (
            <FleetRow
              key={key}
              item={shared.fleet.runners.get(runner) ?? line.item}
              changes={changes.get(runner)}
              outages={outages}
              now={shared.fleet.now()}
              isSelected={selection?.has(runner)}
              toggle={selection?.toggle}
              {...place}
            />
          );
        })}
      </div>
    </div>
  );
}

function TableHead(): JSX.Element {
  return (
    <div role="row" class="row head" aria-rowindex={1}>
      {COLUMNS.map((name) => (
        <span key={name} role="columnheader">
          {name}
        </span>
      ))}
    </div>
  );
}

function isRunner(line: Line, runner: string): boolean {
  return line.type === "runner" && line.item.runner === runner;
}

/** Headings of groups are passed over. */
function nextRunner(lines: readonly Line[], index: number, step: 1 | -1): number {
  let at = Math.min(Math.max(index, 0), lines.length - 1);
  while (lines[at]?.type === "group") at += at === 0 ? 1 : step;
  return at;
}

/** Where a key leads; undefined for one that leads nowhere. */
function targetOf(
  key: string,
  active: number,
  { last, page }: { last: number; page: number },
): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: active + 1,
    j: active + 1,
    ArrowUp: Math.max(active, 0) - 1,
    k: Math.max(active, 0) - 1,
    PageDown: active + page - 2 * SPARE_ROWS,
    PageUp: Math.max(active, 0) - page + 2 * SPARE_ROWS,
    Home: 0,
    End: last,
  };
  const to = steps[key];
  return to === undefined ? undefined : Math.min(Math.max(to, 0), last);
}

function scrollTo(box: HTMLElement | null, index: number, rowPx: number): void {
  if (box === null) return;
  const head = box.querySelector<HTMLElement>(".head")?.offsetHeight ?? 0;
  const top = index * rowPx;
  if (top < box.scrollTop) box.scrollTop = top;
  const bottom = top + rowPx + head - box.clientHeight;
  if (bottom > box.scrollTop) box.scrollTop = bottom;
}

/** Which rows are in sight. */
function useWindow(
  length: number,
  rowPx: number,
): { box: { readonly current: HTMLDivElement | null }; first: number; count: number } {
  const box = useRef<HTMLDivElement>(null);
  const [{ top, height }, setSight] = useState({ top: 0, height: 800 });
  const look = (): void => {
    const { scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    setSight((before) =>
      before.top === scrollTop && before.height === clientHeight
        ? before
        : { top: scrollTop, height: clientHeight },
    );
  };
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);
  // A table that became shorter may have been scrolled by the browser.
  useLayoutEffect(look, [length]);
  const first = Math.max(0, Math.floor(top / rowPx) - SPARE_ROWS);
  return { box, first, count: Math.ceil(height / rowPx) + 2 * SPARE_ROWS };
}
