/** Moments as people write them on a command line and in a query. */
import { AppError } from "./errors.ts";
import { MAX_EPOCH_MS, parseTime } from "./time.ts";

const FORMS =
  "2026-01-31T03:12:00Z, 2026-01-31, 03:12 (the last such time, UTC), -15m, -2h30m, -1d, now, or epoch milliseconds";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const DAY_MS = 86_400_000;
/** 2020-01-01. */
const SOME_DAY_MS = 1_577_836_800_000;
/** Shorter runs of digits are rather a year, a port or a typing error than a time. */
const MIN_EPOCH_DIGITS = 12;

/**
 * Reads a moment; undefined for what is none.
 * @param nowMs epoch ms, which relative forms count back from.
 * @returns epoch ms.
 */
export function parseMoment(text: string, nowMs: number): number | undefined {
  const trimmed = text.trim();
  if (trimmed === "now") return nowMs;
  if (/^\d+$/.test(trimmed)) return epochOf(trimmed);
  if (/^\d{4}-\d{2}-\d{2}$/.test(trimmed)) return parseTime(`${trimmed}T00:00:00Z`);
  return before(trimmed, nowMs) ?? timeOfDay(trimmed, nowMs) ?? parseTime(withSeconds(trimmed));
}

/** Whether the text stands for another moment at another time. */
export function isRelativeMoment(text: string): boolean {
  return parseMoment(text, SOME_DAY_MS) !== parseMoment(text, SOME_DAY_MS + DAY_MS);
}

/**
 * The same for a flag or a parameter that somebody gave.
 * @param name what the text was given for: `--at`.
 * @throws AppError `invalid` that names it, the text and what is allowed.
 */
export function requireMoment(name: string, text: string, nowMs: number): number {
  const moment = parseMoment(text, nowMs);
  if (moment !== undefined) return moment;
  throw new AppError("invalid", `${name}: ${JSON.stringify(text)} is no time: use ${FORMS}`);
}

function epochOf(digits: string): number | undefined {
  const value = Number(digits);
  return digits.length >= MIN_EPOCH_DIGITS && value <= MAX_EPOCH_MS ? value : undefined;
}

/** `-2h30m` and `2h30m ago`. */
function before(text: string, nowMs: number): number | undefined {
  const span = /^-(.+)$/.exec(text)?.[1] ?? /^(.+?)\s*ago$/.exec(text)?.[1];
  if (span === undefined || !/^(\d+(\.\d+)?(ms|[smhdw])\s*)+$/.test(span)) return undefined;
  let ms = 0;
  for (const [, amount, unit = ""] of span.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g))
    ms += Number(amount) * (UNIT_MS[unit] ?? 0);
  return ms <= nowMs ? Math.round(nowMs - ms) : undefined;
}

/** The last time that a clock in UTC showed this. */
function timeOfDay(text: string, nowMs: number): number | undefined {
  if (!/^\d{2}:\d{2}(:\d{2})?$/.test(text)) return undefined;
  const today = new Date(nowMs).toISOString().slice(0, 10);
  const at = parseTime(`${today}T${text.length === 5 ? `${text}:00` : text}Z`);
  if (at === undefined) return undefined;
  return at <= nowMs ? at : at - DAY_MS;
}

/** `2026-01-31 03:12`, `…T03:12Z` and times without a zone, which are in UTC. */
function withSeconds(text: string): string {
  const match = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(:\d{2}(?:[.,]\d+)?)?(.*)$/.exec(text);
  if (match === null) return text;
  const [, date = "", minutes = "", seconds = ":00", zone = ""] = match;
  return `${date}T${minutes}${seconds}${zone === "" ? "Z" : zone}`;
}
