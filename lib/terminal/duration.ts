/** Times as people read them. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

/** `0:04:12`, and `3d 04:12` from a day on. */
export function runtimeText(ms: number): string {
  const whole = Math.max(0, ms);
  const hours = Math.floor(whole / HOUR_MS);
  const minutes = Math.floor(whole / MINUTE_MS) % 60;
  if (hours < 24) return `${hours}:${pad(minutes)}:${pad(Math.floor(whole / SECOND_MS) % 60)}`;
  return `${Math.floor(hours / 24)}d ${pad(hours % 24)}:${pad(minutes)}`;
}

/** `8s ago`, `3m ago`, `2h ago`, `4d ago`; `now` for less than a second. */
export function ageText(ms: number): string {
  if (ms < SECOND_MS) return "now";
  if (ms < 2 * MINUTE_MS) return `${Math.floor(ms / SECOND_MS)}s ago`;
  if (ms < 2 * HOUR_MS) return `${Math.floor(ms / MINUTE_MS)}m ago`;
  if (ms < 2 * DAY_MS) return `${Math.floor(ms / HOUR_MS)}h ago`;
  return `${Math.floor(ms / DAY_MS)}d ago`;
}

/** The local time of day, `15:30:45`; the date where it is not within the last day. */
export function clockText(epochMs: number, nowMs: number): string {
  const time = new Date(epochMs);
  if (Math.abs(nowMs - epochMs) < DAY_MS) {
    return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`;
  }
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}`;
}

/** `0 ms`, `1.2 s`, `4m`: how far something lags behind. */
export function lagText(ms: number): string {
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < MINUTE_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  return ageText(ms).replace(" ago", "");
}
