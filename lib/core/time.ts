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

function digits2(text: string, at: number): number {
  return (text.charCodeAt(at) - 48) * 10 + (text.charCodeAt(at + 1) - 48);
}

/** Whether the text has the very common form `2026-01-23T19:00:00[.123]Z`, all digits in place. */
function isPlainUtc(text: string): boolean {
  const length = text.length;
  if (length !== 20 && length !== 24) return false;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (at === 4 || at === 7) {
      if (code !== 45) return false;
    } else if (at === 10) {
      if (code !== 84) return false;
    } else if (at === 13 || at === 16) {
      if (code !== 58) return false;
    } else if (at === length - 1) {
      if (code !== 90) return false;
    } else if (at === 19) {
      if (code !== 46) return false;
    } else if (code < 48 || code > 57) return false;
  }
  return true;
}

function plainUtc(text: string): number | undefined {
  const year = digits2(text, 0) * 100 + digits2(text, 2);
  const month = digits2(text, 5);
  const day = digits2(text, 8);
  const millis = text.length === 24 ? digits2(text, 20) * 10 + (text.charCodeAt(22) - 48) : 0;
  return instant(year, month, day, digits2(text, 11), digits2(text, 14), digits2(text, 17), millis);
}

function instant(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  millis: number,
): number | undefined {
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 60) {
    return undefined;
  }
  if (day > 28 && day > new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate()) {
    return undefined;
  }
  const time = Date.UTC(year < 100 ? year + 400 : year, month - 1, day, hour, minute, second);
  // Date.UTC reads the years 0-99 as 1900-1999; 400 Gregorian years are 146,097 days.
  return time + millis - (year < 100 ? 146_097 * 86_400_000 : 0);
}

/** RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339) → epoch milliseconds, undefined if it isn't. */
export function parseTime(text: string): number | undefined {
  if (isPlainUtc(text)) return plainUtc(text);
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHour, offsetMinute] =
    match;
  const millis = Math.trunc(Number(`0.${fraction ?? "0"}`) * 1000);
  const local = instant(
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
