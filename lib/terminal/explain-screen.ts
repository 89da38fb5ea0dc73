/** An explanation as text, each fact followed by the message that says so. */
import type { Tone } from "../core/explanation.ts";
import type { Health } from "../core/heartbeat.ts";
import { spanText } from "../core/explain-text.ts";
import { healthText, paint } from "./style.ts";
import type { Colour, TerminalLooks } from "./style.ts";
import { fit, harmless, tableLines } from "./table.ts";
import { wrapped } from "./wrap.ts";

/** What the read API answers. */
export interface ShownExplanation {
  readonly runner: string;
  readonly headline: string;
  readonly heartbeats: readonly ShownBeat[];
  readonly sections: readonly ShownSection[];
  readonly as_of: { readonly time: string };
}

interface ShownSection {
  readonly key: string;
  readonly title: string;
  readonly facts: readonly ShownFact[];
}

interface ShownFact {
  readonly text: string;
  readonly tone: Tone;
  readonly evidence: ShownEvidence | null;
}

interface ShownEvidence {
  readonly stream: string;
  readonly seq: number;
  readonly time: string;
}

interface ShownBeat extends ShownEvidence {
  readonly gap_ms: number | null;
  readonly late: boolean;
  readonly lost: number;
  readonly count: number | null;
  readonly pid: number;
  readonly current: boolean;
  readonly health: Health | null;
  readonly skew_ms: number | null;
  readonly error: string;
}

/** Wider lines are hard to read. */
const MAX_WIDTH = 100;
const INDENT = "  ";
const TONE_COLOURS: Record<Tone, Colour | undefined> = {
  plain: undefined,
  good: "green",
  warn: "yellow",
  bad: "red",
};
const TONE_MARKS: Record<Tone, string> = { plain: "-", good: "+", warn: "!", bad: "x" };
const GLYPHS: Record<Tone, string> = { plain: "·", good: "✓", warn: "!", bad: "✖" };

/** @param isPast whether a moment of the past is explained. */
export function explainScreen(
  shown: ShownExplanation,
  looks: TerminalLooks,
  isPast: boolean,
): string {
  const width = Math.min(looks.width, MAX_WIDTH);
  const at = shown.as_of.time.replace("T", " ").replace(/\.\d+Z$/, "");
  const past = isPast ? paint(`PAST: as it was at ${at} UTC`, "magenta", looks) : "";
  const head = wrapped(harmless(shown.headline), width).map((line) => paint(line, "bold", looks));
  const note = paint(`Times are UTC, by the stream's clock. It is ${at}.`, "dim", looks);
  const sections = shown.sections.flatMap((section) => [
    "",
    paint(section.title, "bold", looks),
    ...(section.key === "heartbeats" ? beatTable(shown, { ...looks, width }) : []),
    ...section.facts.flatMap((fact) =>
      factLines(fact, { ...looks, width }, section.key === "life_cycle"),
    ),
  ]);
  const lines = [...(past === "" ? [] : [past]), ...head, ...(isPast ? [] : [note]), ...sections];
  return `${lines.join("\n")}\n`;
}

function factLines(
  { text, tone, evidence }: ShownFact,
  looks: TerminalLooks,
  withTime: boolean,
): string[] {
  const colour = TONE_COLOURS[tone];
  const mark = looks.unicode ? GLYPHS[tone] : TONE_MARKS[tone];
  const painted = colour === undefined ? mark : paint(mark, colour, looks);
  const time = withTime && evidence !== null ? `${dayAndTime(evidence.time)}  ` : "";
  const source = evidence === null ? "" : `[${evidence.stream} ${evidence.seq}]`;
  const room = looks.width - INDENT.length - 2;
  const lines = wrapped(`${time}${harmless(text)}`, room);
  const last = lines.at(-1) ?? "";
  const fits = last.length + 1 + source.length <= room;
  const shown =
    source === ""
      ? lines
      : fits
        ? [...lines.slice(0, -1), `${last} ${paint(source, "dim", looks)}`]
        : [...lines, paint(source, "dim", looks)];
  return shown.map((line, index) => `${INDENT}${index === 0 ? painted : " "} ${line}`);
}

/** `11-22 03:12:45`. */
function dayAndTime(time: string): string {
  return `${time.slice(5, 10)} ${time.slice(11, 19)}`;
}

function beatTable({ heartbeats }: ShownExplanation, looks: TerminalLooks): string[] {
  if (heartbeats.length === 0) return [];
  const columns = [
    { title: "STREAM SEQ", align: "right" as const },
    { title: "TIME" },
    { title: "AFTER", align: "right" as const },
    { title: "COUNT", align: "right" as const },
    { title: "PID", align: "right" as const },
    { title: "SKEW", align: "right" as const },
    { title: "HEALTH" },
    { title: "NOTE", min: 10 },
  ];
  const rows = heartbeats.map((beat) => [
    String(beat.seq),
    beat.time.slice(11, 23),
    gapCell(beat, looks),
    beat.count === null ? "" : String(beat.count),
    String(beat.pid),
    beat.skew_ms === null ? "" : `${beat.skew_ms < 0 ? "-" : "+"}${spanText(beat.skew_ms)}`,
    beat.health === null ? "" : healthText(beat.health, looks),
    noteOf(beat),
  ]);
  const room = { ...looks, width: looks.width - INDENT.length };
  const [titles = "", ...lines] = tableLines(columns, rows, room);
  return [paint(titles, "dim", looks), ...lines].map((line) =>
    fit(INDENT + line, looks.width, looks),
  );
}

function gapCell({ gap_ms: gap, late }: ShownBeat, looks: TerminalLooks): string {
  if (gap === null) return "";
  return late ? paint(spanText(gap), "yellow", looks) : spanText(gap);
}

function noteOf({ late, lost, current, error }: ShownBeat): string {
  const notes = [
    current ? "" : "another process",
    late ? "late" : "",
    lost > 0 ? `${lost} lost before` : "",
    harmless(error),
  ];
  return notes.filter((note) => note !== "").join("; ");
}
