/** `runbeat top` as lines of text: a header, a page, and what keys do. */
import { wrapParts } from "./status-screen.ts";
import { paint } from "./style.ts";
import type { TerminalLooks } from "./style.ts";
import { fit, harmless } from "./table.ts";
import { headerLines } from "./top-header.ts";
import type { TopAlerts, TopLink } from "./top-header.ts";
import { eventLines, helpLines, runnerLines } from "./top-pages.ts";
import type { TopDetails } from "./top-pages.ts";
import type { TopFleet, TopRunner } from "./top-fleet.ts";
import { tableRows } from "./top-table.ts";
import { SORT_KEYS } from "./top-view.ts";
import type { TopView } from "./top-view.ts";

export interface TopModel {
  readonly view: TopView;
  readonly fleet: TopFleet;
  /** The runners that the view shows, in its order. */
  readonly rows: readonly TopRunner[];
  /** The time that ages are counted to, on the server's clock. */
  readonly nowMs: number;
  /** Epoch ms, whatever moment is shown. */
  readonly presentMs: number;
  readonly link: TopLink;
  readonly alerts: TopAlerts | undefined;
  readonly details: TopDetails | undefined;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const MIN_COLUMNS = 40;
const MIN_ROWS = 10;

/** Exactly as many lines as the screen has rows, none wider than it. */
export function topScreen(model: TopModel, size: ScreenSize, given: TerminalLooks): string[] {
  const looks = { ...given, width: size.columns };
  if (size.columns < MIN_COLUMNS || size.rows < MIN_ROWS) {
    const text = `runbeat top needs ${MIN_COLUMNS}x${MIN_ROWS}, here are ${size.columns}x${size.rows}`;
    return fill([fit(text, size.columns, looks)], size.rows);
  }
  const head = headerLines(model, looks);
  const room = size.rows - head.length - 1;
  const body = bodyLines(model, room, looks);
  return [...fill([...head, ...body], size.rows - 1), footer(model, looks)];
}

/** Runners that fit below the header and the titles. */
export function pageRows(model: TopModel, size: ScreenSize, given: TerminalLooks): number {
  const looks = { ...given, width: size.columns };
  return Math.max(1, size.rows - headerLines(model, looks).length - 2);
}

function fill(lines: readonly string[], rows: number): string[] {
  return Array.from({ length: rows }, (_, row) => lines[row] ?? "");
}

function bodyLines(model: TopModel, room: number, looks: TerminalLooks): string[] {
  const { page, scroll } = model.view;
  if (page === "fleet") return fleetLines(model, room, looks);
  const lines =
    page === "help"
      ? helpLines(looks)
      : page === "events"
        ? eventLines(model, looks)
        : runnerLines(model, looks);
  // Reading past the end shows the end.
  return lines.slice(Math.min(scroll, Math.max(0, lines.length - room))).slice(0, room);
}

function fleetLines(model: TopModel, room: number, looks: TerminalLooks): string[] {
  const { rows, view } = model;
  if (rows.length > 0) return tableRows(model, room, looks);
  return ["", fit(emptyText(model.fleet, view), looks.width, looks)];
}

function emptyText(fleet: TopFleet, view: TopView): string {
  if (!fleet.isThere) return "Waiting for the fleet ...";
  if (view.filter !== "") return `No runner matches ${view.filter} (escape shows all)`;
  if (view.onlyTrouble) return "No runner is in trouble (f shows all)";
  if (view.at !== undefined) return "There was no runner yet.";
  return "No runner yet: start one with runbeat run --runner process/NAME/default -- COMMAND";
}

function footer(model: TopModel, looks: TerminalLooks): string {
  const { view } = model;
  if (view.message !== "")
    return fit(paint(harmless(view.message), "yellow", looks), looks.width, looks);
  const cursor = looks.unicode ? "▏" : "_";
  if (view.prompt?.kind === "filter")
    return fit(
      `Filter: ${view.prompt.text}${cursor}  (enter keeps it, escape clears it)`,
      looks.width,
      looks,
    );
  if (view.prompt?.kind === "time")
    return fit(
      `Show the fleet at: ${view.prompt.text}${cursor}  (03:12, -15m, now)`,
      looks.width,
      looks,
    );
  const [first = ""] = wrapParts(keyTexts(model), "  ", looks);
  return paint(first, "dim", looks);
}

function keyTexts({ view }: TopModel): string[] {
  if (view.page !== "fleet") return ["q back", "up/down scroll", "p pause", "? help"];
  const next = SORT_KEYS[(SORT_KEYS.indexOf(view.sort) + 1) % SORT_KEYS.length];
  return [
    "q quit",
    "/ filter",
    `s sort by ${next}`,
    "enter details",
    "e events",
    "t time",
    view.isPaused ? "p go on" : "p pause",
    "? help",
  ];
}
