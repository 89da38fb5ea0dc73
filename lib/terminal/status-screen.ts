/** `runbeat status` as text: the system, the counts, the runners, the additional processes. */
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import type { Health } from "../core/heartbeat.ts";
import type { Status } from "../core/status.ts";
import { formatTime } from "../core/time.ts";
import { ageText, lagText } from "./duration.ts";
import type { HostFacts } from "./host-facts.ts";
import { NOTHING, statusRow } from "./status-row.ts";
import type { ShownRunner, StatusRow } from "./status-row.ts";
import { healthText, paint, statusText } from "./style.ts";
import type { TerminalLooks } from "./style.ts";
import { fit, tableLines } from "./table.ts";
import type { Column } from "./table.ts";
import textWidth from "fast-string-width";

/** The counts of the read API's summary. */
export interface ShownSummary {
  readonly total: number;
  readonly status: Readonly<Record<Status, number>>;
  readonly health: Readonly<Record<Health, number>>;
}

/** One part of the pipeline and how it is. */
export interface ShownComponent {
  readonly name: string;
  readonly state: "pass" | "warn" | "fail";
  readonly text: string;
}

/** What is shown of Runbeat itself, while it is about now. */
interface Present {
  /** How far the read models are behind; null where nobody can tell. */
  readonly lagMs: number | null;
  readonly components: readonly ShownComponent[];
  readonly host: HostFacts;
}

/** What is shown of a moment that is past, instead. */
interface PastMoment {
  /** How long ago it was. */
  readonly past: { readonly sinceMs: number };
}

interface Shown {
  readonly items: readonly ShownRunner[];
  readonly summary: ShownSummary;
  /** Epoch ms at which the items were judged. */
  readonly nowMs: number;
  /** Which runners were asked for, e.g. `status=offline`; empty: all. */
  readonly filter: string;
}

export type StatusScreen = Shown & (Present | PastMoment);

/** In the order in which people look for them. */
export const STATUS_ORDER: readonly Status[] = [
  "online",
  "starting",
  "stale",
  "missing",
  "offline",
  "unknown",
];
const MIN_NOTE_WIDTH = 24;

export function statusScreen(screen: StatusScreen, looks: TerminalLooks): string {
  const lines = [...headerLines(screen, looks), ""];
  if (screen.items.length === 0) lines.push(emptyText(screen));
  else lines.push(...runnerLines(screen, looks));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

function headerLines(screen: StatusScreen, looks: TerminalLooks): string[] {
  const { summary } = screen;
  const statuses = STATUS_ORDER.map((status) =>
    zeroDim(summary.status[status], statusText(status, looks), looks),
  );
  const healths = HEALTH_VALUES.map((health) =>
    zeroDim(summary.health[health], healthText(health, looks), looks),
  );
  const total = paint(
    `${summary.total} ${summary.total === 1 ? "runner" : "runners"}`,
    "bold",
    looks,
  );
  return [
    ...("past" in screen ? pastLines(screen, looks) : presentLines(screen, looks)),
    ...wrapParts([`${total}:`, ...statuses], "  ", looks),
    ...wrapParts(["Health:", ...healths], "  ", looks),
  ];
}

function presentLines(screen: Present, looks: TerminalLooks): string[] {
  return [
    ...wrapParts(hostParts(screen.host), " | ", looks),
    ...wrapParts(pipelineParts(screen, looks), " | ", looks),
  ];
}

/** Nobody is to take what was for what is. */
function pastLines({ nowMs, past }: Shown & PastMoment, looks: TerminalLooks): string[] {
  const then = `as it was at ${formatTime(nowMs)}`;
  return wrapParts(
    [paint("PAST", "magenta", looks) + ` ${then},`, ageText(past.sinceMs)],
    " ",
    looks,
  );
}

export function zeroDim(count: number, text: string, looks: TerminalLooks): string {
  return `${count === 0 ? paint("0", "dim", looks) : paint(String(count), "bold", looks)} ${text}`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB free`;
}

function hostParts(host: HostFacts): string[] {
  const disk = host.disk;
  return [
    `System ${host.name}: CPU ${host.cpuPercent.toFixed(1)}%`,
    `RAM ${host.memoryPercent.toFixed(1)}% (${gigabytes(host.memoryFreeBytes)})`,
    ...(disk === null ? [] : [`Disk ${disk.percent.toFixed(1)}% (${gigabytes(disk.freeBytes)})`]),
  ];
}

const COMPONENT_COLOURS = { pass: "green", warn: "yellow", fail: "red" } as const;

function pipelineParts(screen: Present, looks: TerminalLooks): string[] {
  const parts = screen.components.map(
    ({ name, state, text }) => `${name} ${paint(text, COMPONENT_COLOURS[state], looks)}`,
  );
  if (screen.lagMs !== null) parts.push(`lag ${lagText(screen.lagMs)}`);
  return [`Pipeline: ${parts[0] ?? "not known"}`, ...parts.slice(1)];
}

/** Joins parts, on a new line where the next one no longer fits. */
export function wrapParts(
  parts: readonly string[],
  separator: string,
  looks: TerminalLooks,
): string[] {
  const lines: string[] = [];
  let line = "";
  for (const part of parts) {
    const longer = line === "" ? part : line + separator + part;
    if (line !== "" && fit(longer, looks.width, looks) !== longer) {
      lines.push(line);
      line = `  ${part}`;
    } else line = longer;
  }
  return [...lines, fit(line, looks.width, looks)];
}

function emptyText(screen: StatusScreen): string {
  if (screen.filter !== "") return `No runner matches ${screen.filter}.`;
  if ("past" in screen) return "There was no runner yet.";
  return "No runner yet: start one with runbeat run --runner process/NAME/default -- COMMAND";
}

/** One table, so that its columns line up; the additional processes stand apart at its end. */
function runnerLines(screen: StatusScreen, looks: TerminalLooks): string[] {
  const items = [
    ...screen.items.filter((item) => !isAdditional(item)),
    ...screen.items.filter(isAdditional),
  ];
  const rows = items.map((item) => statusRow(item, screen.nowMs, looks));
  const fields = shownFields(rows, looks);
  const columns = fields.map((field) => COLUMNS[field]);
  const cells = rows.map((row) => fields.map((field) => row[field]));
  const [titles = "", ...lines] = tableLines(columns, cells, looks);
  const rule = ruleLine([titles, ...lines], looks);
  const full = lines.map((line, index) => [line, ...noteLines(fields, rows[index], looks)]);
  const ours = items.filter((item) => !isAdditional(item)).length;
  const head = [paint(titles, "bold", looks), rule];
  const top = [...head, ...full.slice(0, ours).flat()];
  if (ours === items.length) return top;
  const title = paint(ADDITIONAL, "bold", looks);
  if (ours === 0) return [title, ...head, ...full.flat()];
  return [...top, "", title, rule, ...full.slice(ours).flat()];
}

/** Neither announced by whoever started it nor in the fleet file. */
function isAdditional({ managed, desired }: ShownRunner): boolean {
  return !managed && desired === null;
}

const ADDITIONAL = "ADDITIONAL PROCESSES (they beat; Runbeat did not start them)";

const COLUMNS: Readonly<Record<keyof StatusRow, Column>> = {
  process: { title: "PROCESS", min: 20 },
  host: { title: "HOST", min: 8 },
  status: { title: "STATUS" },
  pid: { title: "PID", align: "right" },
  runtime: { title: "RUNTIME", align: "right" },
  lastSeen: { title: "LAST SEEN" },
  heartbeat: { title: "HEARTBEAT", min: 12 },
  restarts: { title: "RESTARTS", align: "right" },
  note: { title: "NOTE", min: MIN_NOTE_WIDTH },
};

/** Columns from which on there is room for the host, for restarts, for notes on the same line. */
const HOST_FROM = 110;
const RESTARTS_FROM = 90;
const NOTE_FROM = 120;

function shownFields(rows: readonly StatusRow[], { width }: TerminalLooks): (keyof StatusRow)[] {
  const hosts = new Set(rows.map(({ host }) => host).filter((host) => host !== NOTHING));
  const fields: (keyof StatusRow)[] = ["process"];
  if (hosts.size > 1 && width >= HOST_FROM) fields.push("host");
  fields.push("status", "pid", "runtime", "lastSeen", "heartbeat");
  if (width >= RESTARTS_FROM) fields.push("restarts");
  if (width >= NOTE_FROM && rows.some(({ note }) => note !== "")) fields.push("note");
  return fields;
}

/** On a narrow screen a note stands below its row. */
function noteLines(
  fields: readonly string[],
  row: StatusRow | undefined,
  looks: TerminalLooks,
): string[] {
  const note = row?.note ?? "";
  if (note === "" || fields.includes("note")) return [];
  const line = `  ${looks.unicode ? "└" : "\\"} ${note}`;
  return [paint(fit(line, looks.width, looks), "dim", looks)];
}

const MAX_RULE = 160;

function ruleLine(lines: readonly string[], looks: TerminalLooks): string {
  const longest = Math.max(...lines.map((line) => textWidth(line)));
  const width = Math.min(longest, looks.width, MAX_RULE);
  return paint((looks.unicode ? "─" : "-").repeat(width), "dim", looks);
}
