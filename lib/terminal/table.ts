/** Columns of text, by the width that characters take on a screen. */
import type { TerminalLooks } from "./style.ts";
import textWidth from "fast-string-width";

const GAP = 2;
const ESCAPE = /\u001B\[[0-9;]*m/y;
const CONTROL = /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]/g;
const segmenter = new Intl.Segmenter();

/**
 * Text from elsewhere without what moves cursors, rings bells or turns lines around: a runner's
 * error must not be able to draw on the operator's terminal.
 */
export function harmless(text: string): string {
  return text.replaceAll(CONTROL, " ").replaceAll(/ {2,}/g, " ").trim();
}

/** Cuts to a width, with an ellipsis where something was lost; colours are kept and closed. */
export function fit(text: string, width: number, looks: TerminalLooks): string {
  if (textWidth(text) <= width) return text;
  const dots = looks.unicode ? "…" : "...";
  const room = width - dots.length;
  if (room < 1) return dots.slice(0, Math.max(0, width));
  return cut(text, room, dots);
}

function cut(text: string, room: number, dots: string): string {
  let kept = "";
  let used = 0;
  let coloured = false;
  for (let at = 0; at < text.length;) {
    ESCAPE.lastIndex = at;
    const escape = ESCAPE.exec(text)?.[0];
    if (escape !== undefined) {
      kept += escape;
      coloured = escape !== "\u001B[0m";
      at += escape.length;
      continue;
    }
    const letter = firstLetter(text.slice(at, at + 64));
    used += textWidth(letter);
    if (used > room) break;
    kept += letter;
    at += letter.length;
  }
  return `${kept}${dots}${coloured ? "\u001B[0m" : ""}`;
}

/** What a reader takes for one letter, however many code points it is made of. */
function firstLetter(text: string): string {
  for (const { segment } of segmenter.segment(text)) return segment;
  return "";
}

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** The column gives way down to this width when the screen is narrow. */
  readonly min?: number;
}

/** Lays rows out in columns under their titles, within the width of the looks. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  looks: TerminalLooks,
): string[] {
  const widths = columnWidths(columns, rows, looks.width);
  const titles = columns.map(({ title }) => title);
  return [titles, ...rows].map((cells) => {
    const placed = columns.map((column, index) =>
      place(cells[index] ?? "", widths[index] ?? 0, column, looks),
    );
    return placed.join(" ".repeat(GAP)).trimEnd();
  });
}

function columnWidths(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  room: number,
): number[] {
  const widths = columns.map(({ title }, index) =>
    Math.max(textWidth(title), ...rows.map((row) => textWidth(row[index] ?? ""))),
  );
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP * (columns.length - 1) - room;
  // The last columns give way first: the name of a row is what one looks for.
  for (let index = columns.length - 1; index >= 0 && excess > 0; index--) {
    const width = widths[index] ?? 0;
    const given = Math.min(excess, Math.max(0, width - (columns[index]?.min ?? width)));
    widths[index] = width - given;
    excess -= given;
  }
  return widths;
}

/** A cell in a column of this width. */
export function place(
  text: string,
  width: number,
  column: Pick<Column, "align">,
  looks: TerminalLooks,
): string {
  const fitted = fit(text, width, looks);
  const space = " ".repeat(Math.max(0, width - textWidth(fitted)));
  return column.align === "right" ? space + fitted : fitted + space;
}
