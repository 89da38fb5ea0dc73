/** The fleet as a table whose columns stand still, whatever comes and goes. */
import { ageText } from "./duration.ts";
import { statusRow } from "./status-row.ts";
import { healthText, paint, statusText } from "./style.ts";
import type { TerminalLooks } from "./style.ts";
import { harmless, place } from "./table.ts";
import type { TopFleet, TopRunner } from "./top-fleet.ts";
import { stripText } from "./top-strip.ts";
import { cursorRow } from "./top-view.ts";
import type { SortKey, TopView } from "./top-view.ts";

export interface TableFacts {
  readonly view: TopView;
  readonly fleet: TopFleet;
  readonly rows: readonly TopRunner[];
  readonly nowMs: number;
  readonly link: { readonly isOld: boolean };
}

interface TopColumn {
  readonly title: string;
  readonly width: number;
  readonly align?: "right";
  readonly sort?: SortKey;
  readonly cell: (runner: TopRunner) => string;
}

const GAP = 2;
const MARK_COLUMNS = 2;
const MAX_NAME_COLUMNS = 44;
const MIN_STRIP_CELLS = 12;
const MAX_STRIP_CELLS = 60;
/** Below it, status and silence are all there is room for. */
const NARROW_BELOW = 60;
/** From which width on there is room for more. */
const SKEW_FROM = 100;
const HOST_FROM = 120;
const NOTE_FROM = 150;
const NOTE_COLUMNS = 40;

/** The titles and as many rows as there is room for. */
export function tableRows(facts: TableFacts, room: number, looks: TerminalLooks): string[] {
  const { view, rows } = facts;
  const columns = columnsOf(facts, looks);
  const cursor = cursorRow(
    view,
    rows.map(({ runner }) => runner),
  );
  const shown = rows.slice(view.top, view.top + room - 1);
  const lines = shown.map((runner, index) => {
    const isCursor = view.top + index === cursor;
    const cells = columns.map((column) => place(column.cell(runner), column.width, column, looks));
    const line = cells.join(" ".repeat(GAP)).trimEnd();
    const mark = isCursor ? (looks.unicode ? "› " : "> ") : "  ";
    return (isCursor ? paint(mark, "bold", looks) : mark) + line;
  });
  return [titleLine(columns, view, looks), ...lines];
}

function titleLine(columns: readonly TopColumn[], view: TopView, looks: TerminalLooks): string {
  const arrow = looks.unicode ? (view.isReversed ? "▲" : "▼") : view.isReversed ? "^" : "v";
  const titles = columns.map((column) => {
    const title = column.sort === view.sort ? `${column.title}${arrow}` : column.title;
    return place(title, column.width, column, looks);
  });
  return "  " + paint(titles.join(" ".repeat(GAP)).trimEnd(), "bold", looks);
}

function columnsOf(facts: TableFacts, looks: TerminalLooks): TopColumn[] {
  const { nowMs, link } = facts;
  const width = looks.width;
  const fixed: TopColumn[] = [
    { title: "STATUS", width: 10, sort: "severity", cell: (one) => shownStatus(one, link, looks) },
    { title: "SEEN", width: 8, align: "right", sort: "silence", cell: (one) => seen(one, nowMs) },
    { title: "HEALTH", width: 10, sort: "health", cell: (one) => figure(one, looks) },
    {
      title: "RST",
      width: 4,
      align: "right",
      sort: "restarts",
      cell: (one) => String(one.process?.restarts ?? "-"),
    },
  ];
  if (width < NARROW_BELOW) fixed.splice(2);
  if (width >= SKEW_FROM)
    fixed.push({ title: "SKEW", width: 7, align: "right", sort: "skew", cell: skew });
  if (width >= HOST_FROM)
    fixed.push({ title: "HOST", width: 14, cell: (one) => harmless(one.process?.host ?? "-") });
  const note: TopColumn = {
    title: "NOTE",
    width: NOTE_COLUMNS,
    cell: (one) => statusRow(one, nowMs, looks).note,
  };
  if (width >= NOTE_FROM) fixed.push(note);
  return withNameAndStrip(fixed, facts, looks);
}

/** What is left of the width is the name's and the strip's. */
function withNameAndStrip(
  fixed: readonly TopColumn[],
  facts: TableFacts,
  looks: TerminalLooks,
): TopColumn[] {
  const taken = fixed.reduce((sum, column) => sum + column.width + GAP, MARK_COLUMNS);
  const left = looks.width - taken;
  const longest = facts.rows.reduce((most, { runner }) => Math.max(most, runner.length), 16);
  const hasStrip = left >= 20 + GAP + MIN_STRIP_CELLS;
  const name = hasStrip
    ? Math.min(longest, MAX_NAME_COLUMNS, left - GAP - MIN_STRIP_CELLS)
    : Math.min(longest, left);
  const strip = Math.min(MAX_STRIP_CELLS, left - name - GAP);
  const first: TopColumn = {
    title: "RUNNER",
    width: Math.max(8, name),
    sort: "runner",
    cell: (one) => harmless(one.runner),
  };
  const last: TopColumn = {
    title: "LAST HOUR",
    width: strip,
    cell: (one) => historyOf(one, facts, strip, looks),
  };
  return [first, ...fixed, ...(hasStrip ? [last] : [])];
}

/** A status that may be over is not shown as if it held. */
function shownStatus(
  { status, paused }: TopRunner,
  link: { readonly isOld: boolean },
  looks: TerminalLooks,
): string {
  const text = statusText(status, { ...looks, colour: looks.colour && !link.isOld });
  const shown = paused && status !== "offline" ? `${text} P` : text;
  return link.isOld ? paint(shown, "dim", looks) : shown;
}

function seen({ last_heartbeat_at: at }: TopRunner, nowMs: number): string {
  return at === null ? "never" : ageText(nowMs - Date.parse(at)).replace(" ago", "");
}

/**
 * Health where there is something wrong with it, else the runner's own figure; what a process said
 * of itself before it died is no news of it.
 */
function figure(runner: TopRunner, looks: TerminalLooks): string {
  const { health, heartbeat, duplicate } = runner;
  if (runner.status === "offline") return paint(endText(runner), "dim", looks);
  if (duplicate) return paint("duplicate", "red", looks);
  if (health !== null && health !== "healthy") return healthText(health, looks);
  const camera = heartbeat?.camera_state ?? "healthy";
  if (camera !== "healthy") return paint(camera, "yellow", looks);
  if (heartbeat?.fps != null) return `${heartbeat.fps.toFixed(1)} fps`;
  return health === null ? "-" : paint("healthy", "dim", looks);
}

function endText({ process, cause }: TopRunner): string {
  if (cause !== "ended") return cause === "never_seen" ? "never seen" : "silent";
  if (process?.signal != null) return harmless(process.signal);
  return process?.exit_code == null ? "ended" : `exit ${process.exit_code}`;
}

function skew({ clock_skew_ms: ms }: TopRunner): string {
  if (ms === null) return "-";
  const sign = ms < 0 ? "-" : "+";
  const size = Math.abs(ms);
  if (size < 1_000) return `${sign}${Math.round(size)}ms`;
  return size < 100_000
    ? `${sign}${(size / 1_000).toFixed(1)}s`
    : `${sign}${Math.round(size / 60_000)}min`;
}

/** The runner's last hour in so many columns. */
export function historyOf(
  runner: TopRunner,
  { fleet, nowMs }: Pick<TableFacts, "fleet" | "nowMs">,
  cells: number,
  looks: TerminalLooks,
): string {
  const facts = {
    changes: fleet.changesOf(runner.runner),
    status: runner.status,
    since: Date.parse(runner.status_since),
    nowMs,
    outages: fleet.outages,
  };
  return stripText(facts, cells, looks);
}
