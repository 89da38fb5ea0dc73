/**
 * Times as JSON text. A page of 1,000 runners holds some 5,000 of them, nearly all of one day: the
 * day's part is made once, the rest is looked up.
 */
import { formatTime } from "../core/time.ts";

const DAY_MS = 86_400_000;
const TWO = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, "0"));
const THREE = Array.from({ length: 1_000 }, (_, value) => String(value).padStart(3, "0"));

let knownDay = Number.NaN;
let knownPrefix = "";

/** Epoch ms → a quoted RFC 3339 time in UTC with milliseconds; `null` for null. */
export function timeText(epochMs: number | null): string {
  if (epochMs === null) return "null";
  const day = Math.floor(epochMs / DAY_MS);
  if (day !== knownDay) {
    knownPrefix = `"${formatTime(day * DAY_MS).slice(0, -13)}`;
    knownDay = day;
  }
  const ms = Math.floor(epochMs - day * DAY_MS);
  const seconds = Math.floor(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  const hour = TWO[Math.floor(minutes / 60)];
  return `${knownPrefix}${hour}:${TWO[minutes % 60]}:${TWO[seconds % 60]}.${THREE[ms % 1_000]}Z"`;
}
