/** What somebody at `runbeat top` looks at, and what their keys do to it. Pure. */
import { STATUS_SEVERITY } from "../core/status.ts";
import type { Key } from "./key-parser.ts";
import type { TopRunner } from "./top-fleet.ts";

export const SORT_KEYS = ["severity", "runner", "silence", "restarts", "health", "skew"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

export type TopPage = "fleet" | "runner" | "events" | "help";

export interface TopPrompt {
  readonly kind: "filter" | "time";
  readonly text: string;
}

export interface TopView {
  readonly page: TopPage;
  /** The runner that the cursor is on. */
  readonly selected: string | undefined;
  /** Rows above the first one that is shown. */
  readonly top: number;
  /** The same for the pages that are read. */
  readonly scroll: number;
  readonly sort: SortKey;
  readonly isReversed: boolean;
  readonly filter: string;
  /** Only runners that are not online and well. */
  readonly onlyTrouble: boolean;
  readonly prompt: TopPrompt | undefined;
  readonly isPaused: boolean;
  /** The moment that is looked at, epoch ms; undefined for now. */
  readonly at: number | undefined;
  /** One line for the person, until the next key. */
  readonly message: string;
}

export const FIRST_VIEW: TopView = {
  page: "fleet",
  selected: undefined,
  top: 0,
  scroll: 0,
  sort: "severity",
  isReversed: false,
  filter: "",
  onlyTrouble: false,
  prompt: undefined,
  isPaused: false,
  at: undefined,
  message: "",
};

/** What a key may need besides the view. */
export interface KeyFacts {
  /** Runners in the order in which they stand. */
  readonly rows: readonly string[];
  /** Rows that fit on the screen. */
  readonly pageRows: number;
  /** The moment that is shown, epoch ms. */
  readonly shownMs: number;
  /** Epoch ms now. */
  readonly nowMs: number;
  /** Reads a time as people write it, epoch ms. */
  readonly parseMoment: (text: string, nowMs: number) => number | undefined;
}

export type TopAct = "quit" | "suspend" | "redraw";

export interface Pressed {
  readonly view: TopView;
  readonly act?: TopAct;
}

const MAX_PROMPT_CHARS = 60;
const MINUTE_MS = 60_000;
const STEPS_MS: Readonly<Record<string, number>> = {
  "[": -MINUTE_MS,
  "]": MINUTE_MS,
  "{": -10 * MINUTE_MS,
  "}": 10 * MINUTE_MS,
};

export function press(given: TopView, key: Key, facts: KeyFacts): Pressed {
  const view = { ...given, message: "" };
  if (key === "ctrl-c" || key === "ctrl-d") return { view, act: "quit" };
  if (key === "ctrl-z") return { view, act: "suspend" };
  if (key === "ctrl-l") return { view, act: "redraw" };
  if (view.prompt !== undefined) return { view: typed(view, view.prompt, key, facts) };
  if (key === "q" && view.page === "fleet") return { view, act: "quit" };
  return { view: command(view, key, facts) };
}

function command(view: TopView, key: Key, facts: KeyFacts): TopView {
  const step = STEPS_MS[key];
  if (step !== undefined) return travelled(view, facts.shownMs + step, facts);
  switch (key) {
    case "q":
    case "escape":
      return left(view);
    case "/":
      return { ...view, page: "fleet", prompt: { kind: "filter", text: view.filter } };
    case "t":
      return { ...view, prompt: { kind: "time", text: "" } };
    case "l":
      return { ...view, at: undefined, isPaused: false };
    case "?":
    case "h":
      return { ...view, page: view.page === "help" ? "fleet" : "help", scroll: 0 };
    case "e":
      return { ...view, page: view.page === "events" ? "fleet" : "events", scroll: 0 };
    case "p":
    case " ":
      return { ...view, isPaused: !view.isPaused };
    default:
      return view.page === "fleet" ? onFleet(view, key, facts) : onReading(view, key, facts);
  }
}

/** Back to the fleet; there, back to all of it and to now. */
function left(view: TopView): TopView {
  if (view.page !== "fleet") return { ...view, page: "fleet", scroll: 0 };
  if (view.filter !== "" || view.onlyTrouble) return { ...view, filter: "", onlyTrouble: false };
  return { ...view, at: undefined, isPaused: false };
}

function onFleet(view: TopView, key: Key, facts: KeyFacts): TopView {
  const { rows, pageRows } = facts;
  const moves: Readonly<Record<string, number>> = {
    up: -1,
    k: -1,
    down: 1,
    j: 1,
    "page-up": -pageRows,
    "page-down": pageRows,
    home: -rows.length,
    g: -rows.length,
    end: rows.length,
    G: rows.length,
  };
  const move = moves[key];
  if (move !== undefined) return moved(view, move, facts);
  const number = Number(key);
  if (key >= "1" && key <= String(SORT_KEYS.length)) return sorted(view, SORT_KEYS[number - 1]);
  if (key === "s") return sorted(view, SORT_KEYS[SORT_KEYS.indexOf(view.sort) + 1]);
  if (key === "r") return { ...view, isReversed: !view.isReversed };
  if (key === "f") return { ...view, onlyTrouble: !view.onlyTrouble, top: 0 };
  const selected = rows[cursorRow(view, rows)];
  if ((key === "enter" || key === "right") && selected !== undefined)
    return { ...view, page: "runner", selected, scroll: 0 };
  return view;
}

function sorted(view: TopView, sort: SortKey = "severity"): TopView {
  return { ...view, sort, isReversed: false, top: 0, selected: undefined };
}

function onReading(view: TopView, key: Key, { pageRows }: KeyFacts): TopView {
  const moves: Readonly<Record<string, number>> = {
    up: -1,
    k: -1,
    down: 1,
    j: 1,
    "page-up": -pageRows,
    "page-down": pageRows,
    home: -Infinity,
    g: -Infinity,
  };
  if (key === "left") return { ...view, page: "fleet", scroll: 0 };
  return { ...view, scroll: Math.max(0, view.scroll + (moves[key] ?? 0)) };
}

function moved(view: TopView, by: number, { rows, pageRows }: KeyFacts): TopView {
  const to = Math.max(0, Math.min(rows.length - 1, cursorRow(view, rows) + by));
  // At the top it stays with the worst, whoever that is.
  return inSight({ ...view, selected: to === 0 ? undefined : rows[to] }, rows, pageRows);
}

/** Where the cursor is: on its runner wherever that stands, else on the first row. */
export function cursorRow({ selected }: TopView, rows: readonly string[]): number {
  return selected === undefined ? 0 : Math.max(0, rows.indexOf(selected));
}

/** Scrolls so that the cursor is seen. */
export function inSight(view: TopView, rows: readonly string[], pageRows: number): TopView {
  const at = cursorRow(view, rows);
  const lowest = Math.max(0, rows.length - pageRows);
  const top = Math.min(lowest, clamp(view.top, at - pageRows + 1, at));
  return { ...view, top: Math.max(0, top) };
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

function typed(view: TopView, prompt: TopPrompt, key: Key, facts: KeyFacts): TopView {
  const { kind, text } = prompt;
  if (key === "escape") return { ...ended(view), filter: kind === "filter" ? "" : view.filter };
  if (key === "enter") return kind === "filter" ? ended(view) : timeGiven(view, text, facts);
  const next = edited(text, key);
  const filter = kind === "filter" ? next : view.filter;
  return { ...view, prompt: { kind, text: next }, filter, ...(kind === "filter" && { top: 0 }) };
}

function ended(view: TopView): TopView {
  return { ...view, prompt: undefined };
}

function edited(text: string, key: Key): string {
  if (key === "backspace") return text.replace(/.$/su, "");
  if (key === "ctrl-u") return "";
  const isLetter = /^.$/su.test(key);
  return isLetter && text.length < MAX_PROMPT_CHARS ? text + key : text;
}

function timeGiven(view: TopView, text: string, facts: KeyFacts): TopView {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed === "now") return { ...ended(view), at: undefined };
  const at = facts.parseMoment(trimmed, facts.nowMs);
  if (at !== undefined) return travelled(ended(view), at, facts);
  const message = `${JSON.stringify(trimmed)} is no time: 03:12, -15m, 2026-01-31T03:12:00Z, now`;
  return { ...view, message };
}

/** The future is now: nobody knows more of it. */
function travelled(view: TopView, at: number, { nowMs }: KeyFacts): TopView {
  return { ...view, at: at >= nowMs ? undefined : at, isPaused: false };
}

/** The runners that the view asks for, in its order. */
export function rowsOf(view: TopView, runners: Iterable<TopRunner>): TopRunner[] {
  const words = view.filter.toLowerCase().split(" ").filter(Boolean);
  const found = [...runners].filter(
    (runner) => matches(runner, words) && (!view.onlyTrouble || isTrouble(runner)),
  );
  const order = ORDERS[view.sort];
  const sign = view.isReversed ? -1 : 1;
  return found.toSorted((a, b) => sign * (order(a, b) || compareText(a.runner, b.runner)));
}

/** `host:edge-1,edge-2` is one of these and nothing else; other words may be anywhere. */
const EXACT = /^(kind|status|health|host|label):(.+)$/;

function matches(runner: TopRunner, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const { status, health, process, paused } = runner;
  const labels = labelsOf(runner);
  const told = [runner.runner, status, health ?? "", process?.host ?? "", paused ? "paused" : ""];
  const text = `${told.join(" ")} ${labels.join(" ")} ${runner.last_error}`.toLowerCase();
  const values = {
    kind: runner.runner.split("/")[0] ?? "",
    status,
    health: health ?? "",
    host: (process?.host ?? "").toLowerCase(),
  };
  return words.every((word) => {
    const [, name, wanted = ""] = EXACT.exec(word) ?? [];
    if (name === undefined) return text.includes(word);
    if (name === "label") return labels.some((label) => label.toLowerCase() === wanted);
    return wanted.split(",").includes(values[name as keyof typeof values]);
  });
}

function labelsOf({ heartbeat }: TopRunner): string[] {
  return Object.entries(heartbeat?.labels ?? {}).map(([key, value]) => `${key}:${value}`);
}

function isTrouble({ status, health, duplicate, last_error }: TopRunner): boolean {
  return (
    status !== "online" || (health ?? "healthy") !== "healthy" || duplicate || last_error !== ""
  );
}

type Order = (a: TopRunner, b: TopRunner) => number;

const ORDERS: Readonly<Record<SortKey, Order>> = {
  severity: bySeverity,
  runner: () => 0,
  silence: bySilence,
  restarts: (a, b) => (b.process?.restarts ?? 0) - (a.process?.restarts ?? 0),
  health: (a, b) => healthRank(a) - healthRank(b),
  skew: (a, b) => Math.abs(b.clock_skew_ms ?? 0) - Math.abs(a.clock_skew_ms ?? 0),
};

/** The worst status first. Those who beat change places by their names only: each beat would else. */
function bySeverity(a: TopRunner, b: TopRunner): number {
  const status = STATUS_SEVERITY[a.status] - STATUS_SEVERITY[b.status];
  if (status !== 0) return status;
  return a.status === "online" ? healthRank(a) - healthRank(b) : bySilence(a, b);
}

/** Nobody has been silent for longer than who was never heard. Texts of one form sort as times. */
function bySilence(a: TopRunner, b: TopRunner): number {
  return compareText(a.last_heartbeat_at ?? "", b.last_heartbeat_at ?? "");
}

function healthRank({ health }: TopRunner): number {
  return health === "unhealthy" ? 0 : health === "degraded" ? 1 : 2;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
