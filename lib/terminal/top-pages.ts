/** The pages of `runbeat top` that are read: one runner, what happened, the keys. */
import { eventText } from "../core/event-text.ts";
import { redactDeep } from "../core/redact.ts";
import type { JsonObject } from "../core/heartbeat.ts";
import { formatTime } from "../core/time.ts";
import { statusRow } from "./status-row.ts";
import { paint, statusText } from "./style.ts";
import type { TerminalLooks } from "./style.ts";
import { fit, harmless, place } from "./table.ts";
import type { TopEvent, TopFleet, TopRunner } from "./top-fleet.ts";
import { stripLegend } from "./top-strip.ts";
import { historyOf } from "./top-table.ts";
import type { TopView } from "./top-view.ts";
import { wrapped } from "./wrap.ts";

/** What was asked about one runner beside what lists tell. */
export interface TopDetails {
  readonly runner: string;
  readonly headline: string;
  /** Newest first. */
  readonly events: readonly TopEvent[];
  /** Mean frames a second of each minute, oldest first; null where there were none. */
  readonly fps: readonly (number | null)[];
}

interface PageFacts {
  readonly view: TopView;
  readonly fleet: TopFleet;
  readonly rows: readonly TopRunner[];
  readonly nowMs: number;
  readonly details: TopDetails | undefined;
}

const LABEL_COLUMNS = 11;
const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const ASCII_BARS = [".", ":", "-", "=", "+", "*", "#", "@"] as const;
const MAX_EVENT_NAME = 30;

export function runnerLines(facts: PageFacts, looks: TerminalLooks): string[] {
  const { view, fleet } = facts;
  const runner = fleet.runners.get(view.selected ?? "");
  if (runner === undefined) {
    return [
      "",
      fit(`${view.selected ?? "The runner"} is not there (q goes back)`, looks.width, looks),
    ];
  }
  const details = facts.details?.runner === runner.runner ? facts.details : undefined;
  const title = `${paint(harmless(runner.runner), "bold", looks)}  ${statusText(runner.status, looks)}`;
  return [
    "",
    fit(title, looks.width, looks),
    ...wrapped(harmless(details?.headline ?? ""), looks.width),
    "",
    ...factLines(runner, facts, details, looks),
    "",
    paint("What happened", "bold", looks),
    ...eventRows(details?.events ?? [], false, looks),
  ].filter((line, at, all) => !(line === "" && all[at - 1] === ""));
}

function factLines(
  runner: TopRunner,
  facts: PageFacts,
  details: TopDetails | undefined,
  looks: TerminalLooks,
): string[] {
  const row = statusRow(runner, facts.nowMs, looks);
  const cells = Math.max(12, Math.min(60, looks.width - LABEL_COLUMNS));
  const pairs: [string, string][] = [
    ["process", processText(runner, row.runtime)],
    ["heartbeat", `${row.heartbeat}${intervalText(runner)}`],
    ["last hour", historyOf(runner, facts, cells, looks)],
    ["fps", sparkText(details?.fps ?? [], cells, looks)],
    ["figures", figuresText(runner)],
    ["checks", checksText(runner)],
    ["restarts", restartsText(runner)],
    ["note", row.note],
  ];
  return pairs.flatMap(([name, text]) =>
    text.trim() === "" ? [] : [fit(labelled(name, text, looks), looks.width, looks)],
  );
}

function labelled(name: string, text: string, looks: TerminalLooks): string {
  return paint(name.padEnd(LABEL_COLUMNS), "dim", looks) + text;
}

function processText({ process, managed }: TopRunner, runtime: string): string {
  if (process === null) return "";
  const running = runtime === "-" ? process.state : `${process.state} for ${runtime}`;
  return `pid ${process.pid} on ${harmless(process.host)}, ${running}${managed ? "" : ", not started by Runbeat"}`;
}

function intervalText({ interval_sec: interval, clock_skew_ms: skew }: TopRunner): string {
  const parts = [
    ...(interval === null ? [] : [`every ${interval} s promised`]),
    ...(skew === null ? [] : [`its clock ${skew < 0 ? "-" : "+"}${Math.abs(Math.round(skew))} ms`]),
  ];
  return parts.length === 0 ? "" : `; ${parts.join(", ")}`;
}

function figuresText({ heartbeat }: TopRunner): string {
  if (heartbeat === null) return "";
  const { detected, matched, latency_ms: latency, metrics, resources, labels } = heartbeat;
  const numbers = { ...metrics, ...resources };
  const parts = [
    ...(detected === null ? [] : [`${detected} detected`]),
    ...(matched === null ? [] : [`${matched} matched`]),
    ...(latency === null ? [] : [`${latency} ms`]),
    ...Object.entries(numbers).flatMap(([name, value]) =>
      typeof value === "number" ? [`${name} ${Math.round(value * 100) / 100}`] : [],
    ),
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  ];
  return harmless(parts.join(", "));
}

function checksText({ heartbeat }: TopRunner): string {
  const checks = Object.entries(heartbeat?.checks ?? {});
  if (checks.length === 0) return "";
  const failing = checks.filter(([, isOk]) => !isOk).map(([name]) => name);
  if (failing.length === 0) return `${checks.length} good`;
  return harmless(`${failing.join(", ")} failing, ${checks.length - failing.length} good`);
}

function restartsText({ process, restart }: TopRunner): string {
  const parts = [
    ...(process === null ? [] : [`${process.restarts} so far`]),
    ...(restart.attempt_count > 0 ? [`attempt ${restart.attempt_count}`] : []),
    ...(restart.last_failure_reason === null ? [] : [harmless(restart.last_failure_reason)]),
  ];
  return parts.join(", ");
}

/** One bar a minute; as high as its share of the highest. */
function sparkText(
  values: readonly (number | null)[],
  cells: number,
  looks: TerminalLooks,
): string {
  const shown = values.slice(-cells);
  const known = shown.filter((value) => value !== null);
  if (known.length === 0) return "";
  const most = Math.max(...known, Number.MIN_VALUE);
  const bars = looks.unicode ? BARS : ASCII_BARS;
  const text = shown.map((value) => {
    if (value === null) return " ";
    return bars[Math.min(bars.length - 1, Math.floor((value / most) * bars.length))] ?? " ";
  });
  return text.join("").padStart(cells);
}

export function eventLines({ fleet }: PageFacts, looks: TerminalLooks): string[] {
  const title = paint("What happened (UTC), newest first", "bold", looks);
  const rows = eventRows(fleet.events.toReversed(), true, looks);
  return ["", title, ...(rows.length === 0 ? ["Nothing yet."] : rows)];
}

function eventRows(
  events: readonly TopEvent[],
  withRunner: boolean,
  looks: TerminalLooks,
): string[] {
  const longest = Math.max(0, ...events.map(({ runner }) => runner.length));
  const columns = Math.min(longest, MAX_EVENT_NAME);
  return events.map((event) => {
    const name = withRunner ? `${place(harmless(event.runner), columns, {}, looks)}  ` : "";
    const time = paint(
      formatTime(Date.parse(event.time)).slice(5, 19).replace("T", " "),
      "dim",
      looks,
    );
    const said = harmless(eventText(event.type, redactDeep(event.data) as JsonObject));
    return fit(
      `${time}  ${name}${paint(harmless(event.type), "cyan", looks)} ${said}`,
      looks.width,
      looks,
    );
  });
}

const KEYS: readonly (readonly [string, string])[] = [
  ["up down pgup pgdn", "move (j k, home g, end G)"],
  ["enter", "the runner: why it is so, its figures, what happened to it"],
  ["/", "filter by words in name, host, status, health, label, error"],
  ["", "host:a,b kind:camera health:degraded label:gpu:0 are exact"],
  ["f", "only runners in trouble, or all"],
  ["s, 1 to 6", "sort by severity, name, silence, restarts, health, skew; r turns it around"],
  ["e", "what happened in the fleet"],
  ["p or space", "stand still, or go on"],
  ["t", "show the fleet as it was: 03:12, -15m, 2026-01-31T03:12:00Z"],
  ["[ ] { }", "a minute, ten minutes back and forth; l is live again"],
  ["q or escape", "back; q at the fleet ends"],
  ["ctrl-L", "draw everything anew"],
];

export function helpLines(looks: TerminalLooks): string[] {
  const keys = KEYS.map(([key, about]) =>
    fit(`${paint(key.padEnd(19), "bold", looks)}${about}`, looks.width, looks),
  );
  const strip =
    "LAST HOUR shows the worst status of each piece of time, from the status changes that were told and seen; where nobody knows it is blank.";
  return [
    "",
    ...keys,
    "",
    ...wrapped(strip, looks.width),
    fit(stripLegend(looks), looks.width, looks),
  ];
}
