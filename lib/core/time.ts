const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?:[Zz]|([+-])(\d{2}):?(\d{2}))$/;

/** Latest instant that a JavaScript Date can hold, in epoch milliseconds (ECMA-262, time values). */
export const MAX_EPOCH_MS = 8.64e15;

/** Epoch milliseconds → RFC 3339 in UTC with milliseconds. */
export function formatTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

export function formatTimeOrNull(epochMs: number | null): string | null {
  return epochMs === null ? null : formatTime(epochMs);
}

/** Set in the sign bit where a character was no digit; see {@link digit}. */
let notDigits = 0;

/** Reads one digit without a branch: a value outside 0-9 leaves its sign in `notDigits`. */
function digit(text: string, at: number): number {
  const value = text.charCodeAt(at) - 48;
  notDigits |= value | (9 - value);
  return value;
}

function digits2(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1);
}

/**
 * Reads the very common form `2026-01-23T19:00:00[.123]Z`; undefined for any other and for what is
 * no time. Every heartbeat brings two of them, so it runs without a regular expression or a Date.
 */
function plainUtc(text: string): number | undefined {
  const { length } = text;
  if (length !== 20 && length !== 24) return undefined;
  if (text.charCodeAt(4) !== 45 || text.charCodeAt(7) !== 45 || text.charCodeAt(10) !== 84) {
    return undefined;
  }
  if (text.charCodeAt(13) !== 58 || text.charCodeAt(16) !== 58) return undefined;
  if (text.charCodeAt(length - 1) !== 90) return undefined;
  if (length === 24 && text.charCodeAt(19) !== 46) return undefined;
  notDigits = 0;
  const year = digits2(text, 0) * 100 + digits2(text, 2);
  const month = digits2(text, 5);
  const day = digits2(text, 8);
  const hour = digits2(text, 11);
  const minute = digits2(text, 14);
  const second = digits2(text, 17);
  const millis = length === 24 ? digits2(text, 20) * 10 + digit(text, 22) : 0;
  return notDigits < 0 ? undefined : utcInstant(year, month, day, hour, minute, second, millis);
}

/**
 * Days since 1970-01-01 in the Gregorian calendar.
 * Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
 */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

const DAYS_OF_MONTH = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysOfMonth(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 && isLeap ? 29 : (DAYS_OF_MONTH[month] ?? 0);
}

/** A moment in UTC as epoch milliseconds; undefined where the calendar has no such moment. */
export function utcInstant(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  millis: number,
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return undefined;
  // A leap second is taken for the first second of the next minute, as POSIX does.
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const seconds = daysFromCivil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
  return seconds * 1_000 + millis;
}

/** RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339) → epoch milliseconds, undefined if it isn't. */
export function parseTime(text: string): number | undefined {
  const plain = plainUtc(text);
  if (plain !== undefined) return plain;
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHour, offsetMinute] =
    match;
  const millis = Math.trunc(Number(`0.${fraction ?? "0"}`) * 1000);
  const local = utcInstant(
    Number(year),
    Number(month),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
    millis,
  );
  if (local === undefined || sign === undefined) return local;
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return undefined;
  const offsetMs = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000;
  return sign === "+" ? local - offsetMs : local + offsetMs;
}
