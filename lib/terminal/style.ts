/** Colours and glyphs of a terminal, and plain text where there is none. */
import type { Health } from "../core/heartbeat.ts";
import type { Status } from "../core/status.ts";

export interface TerminalLooks {
  /** Escape sequences for colours. */
  readonly colour: boolean;
  /** Characters beyond ASCII. */
  readonly unicode: boolean;
  /** Columns; Infinity where nothing need be cut. */
  readonly width: number;
}

/** What decides about the looks. */
export interface TerminalFacts {
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const DEFAULT_COLUMNS = 80;

/**
 * NO_COLOR (https://no-color.org) turns colours off, FORCE_COLOR turns them on; else they are for
 * terminals only. What is piped is never cut.
 */
export function terminalLooks({ isTTY, columns, environment }: TerminalFacts): TerminalLooks {
  const refused = (environment["NO_COLOR"] ?? "") !== "" || environment["TERM"] === "dumb";
  const forced = !["", "0"].includes(environment["FORCE_COLOR"] ?? "");
  return {
    colour: !refused && (forced || isTTY),
    unicode: speaksUnicode(environment),
    width: isTTY ? (columns ?? DEFAULT_COLUMNS) : Infinity,
  };
}

/** A locale that is set and not UTF-8, such as `C`, means a terminal that knows ASCII only. */
function speaksUnicode(environment: TerminalFacts["environment"]): boolean {
  const locale = [environment["LC_ALL"], environment["LC_CTYPE"], environment["LANG"]].find(
    (value) => value !== undefined && value !== "",
  );
  return locale === undefined || /utf-?8/i.test(locale);
}

/** SGR codes of ECMA-48. */
const CODES = {
  bold: "1",
  dim: "2",
  red: "31",
  green: "32",
  yellow: "33",
  magenta: "35",
  cyan: "36",
  inverse: "7",
} as const;
export type Colour = keyof typeof CODES;

export function paint(text: string, colour: Colour, looks: TerminalLooks): string {
  return looks.colour && text !== "" ? `\u001B[${CODES[colour]}m${text}\u001B[0m` : text;
}

interface Mark {
  readonly glyph: string;
  readonly ascii: string;
  readonly colour: Colour;
}

/** Each status has a shape of its own as well as a colour. */
const STATUS_MARKS: Record<Status, Mark> = {
  starting: { glyph: "◌", ascii: ".", colour: "cyan" },
  online: { glyph: "●", ascii: "*", colour: "green" },
  stale: { glyph: "◐", ascii: "~", colour: "yellow" },
  missing: { glyph: "○", ascii: "o", colour: "magenta" },
  offline: { glyph: "✖", ascii: "X", colour: "red" },
  unknown: { glyph: "?", ascii: "?", colour: "dim" },
};

export function statusText(status: Status, looks: TerminalLooks): string {
  const { glyph, ascii, colour } = STATUS_MARKS[status];
  return paint(`${looks.unicode ? glyph : ascii} ${status}`, colour, looks);
}

export function statusColour(status: Status): Colour {
  return STATUS_MARKS[status].colour;
}

const HEALTH_COLOURS: Record<Health, Colour> = {
  healthy: "green",
  degraded: "yellow",
  unhealthy: "red",
};

export function healthText(health: Health, looks: TerminalLooks): string {
  return paint(health, HEALTH_COLOURS[health], looks);
}
