/** Alerts and silences as people read them. */
import { ageText } from "./duration.ts";
import { paint } from "./style.ts";
import type { Colour, TerminalLooks } from "./style.ts";
import { fit, harmless, tableLines } from "./table.ts";

/** An alert as the API has it, as far as it is shown. */
export interface ShownAlert {
  readonly id: string;
  readonly severity: string;
  readonly state: string;
  readonly title: string;
  readonly opened_at: string;
  readonly resolved_at: string | null;
  readonly silenced: boolean;
  readonly members: readonly { readonly name: string; readonly detail: string }[];
  readonly member_count: number;
}

export interface ShownSilence {
  readonly id: string;
  readonly pattern: string;
  readonly from: string;
  readonly until: string;
  readonly reason: string;
  readonly by: string;
  readonly lifted_at: string | null;
}

const MAX_MEMBERS = 5;
const INDENT = "    ";
const COLOURS: Readonly<Record<string, Colour>> = { critical: "red", warning: "yellow" };
const GLYPHS: Readonly<Record<string, readonly [string, string]>> = {
  critical: ["✖", "X"],
  warning: ["◐", "~"],
};

/** One alert: a line that says it, a line of when, and who is in it. */
export function alertLines(alert: ShownAlert, nowMs: number, looks: TerminalLooks): string[] {
  const isOpen = alert.state === "open";
  const word = isOpen ? alert.severity : "resolved";
  const [glyph, ascii] = isOpen ? (GLYPHS[alert.severity] ?? ["●", "*"]) : ["●", "*"];
  const head = `${looks.unicode ? glyph : ascii} ${word.padEnd(8)}`;
  const colour = isOpen ? (COLOURS[alert.severity] ?? "cyan") : "green";
  const title = fit(harmless(alert.title), looks.width - head.length - 1, looks);
  const members = alert.members
    .slice(0, MAX_MEMBERS)
    .map(({ name, detail }) =>
      fit(`${INDENT}${harmless(`${name}: ${detail}`)}`, looks.width, looks),
    );
  const rest = alert.member_count - members.length;
  return [
    `${paint(head, colour, looks)} ${paint(title, "bold", looks)}`,
    paint(fit(INDENT + whenText(alert, nowMs), looks.width, looks), "dim", looks),
    ...(isOpen ? members : []),
    ...(isOpen && rest > 0 ? [`${INDENT}and ${rest} more`] : []),
  ];
}

/** With the pattern by which it can be silenced. */
function whenText(alert: ShownAlert, nowMs: number): string {
  const { id, opened_at, resolved_at, silenced } = alert;
  const opened = `opened ${ageText(nowMs - Date.parse(opened_at))}`;
  const ended = resolved_at === null ? "" : `, over ${ageText(nowMs - Date.parse(resolved_at))}`;
  const pattern = resolved_at === null ? `, alert:${harmless(id)}` : "";
  return `${opened}${ended}${silenced ? ", silenced" : ""}${pattern}`;
}

/** The silences as a table. */
export function silenceLines(
  silences: readonly ShownSilence[],
  nowMs: number,
  looks: TerminalLooks,
): string[] {
  const rows = silences.map((silence) => [
    silence.id,
    harmless(silence.pattern),
    stateText(silence, nowMs),
    harmless(silence.by),
    harmless(silence.reason),
  ]);
  const columns = [
    { title: "ID" },
    { title: "RUNNERS", min: 10 },
    { title: "UNTIL" },
    { title: "BY", min: 6 },
    { title: "REASON", min: 6 },
  ];
  return tableLines(columns, rows, looks);
}

/** An RFC 3339 time in UTC, to the minute. */
function minute(text: string): string {
  return `${text.slice(0, 10)} ${text.slice(11, 16)} UTC`;
}

function stateText({ from, until, lifted_at }: ShownSilence, nowMs: number): string {
  if (lifted_at !== null) return "lifted";
  if (Date.parse(until) <= nowMs) return "over";
  const begins = Date.parse(from) > nowMs ? `${minute(from)} to ` : "";
  return `${begins}${minute(until)}`;
}
