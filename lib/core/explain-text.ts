/** Times, spans and processes as an explanation writes them. */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `420 ms`, `31.2 s`, `5m 12s`, `2h 05m`, `3d 04h`. */
export function spanText(ms: number): string {
  const whole = Math.abs(ms);
  if (whole < SECOND_MS) return `${Math.round(whole)} ms`;
  if (whole < 2 * MINUTE_MS) return `${trimmed(whole / SECOND_MS)} s`;
  if (whole < 2 * HOUR_MS) {
    return `${Math.floor(whole / MINUTE_MS)}m ${pad((whole % MINUTE_MS) / SECOND_MS)}s`;
  }
  if (whole < 2 * DAY_MS) {
    return `${Math.floor(whole / HOUR_MS)}h ${pad((whole % HOUR_MS) / MINUTE_MS)}m`;
  }
  return `${Math.floor(whole / DAY_MS)}d ${pad((whole % DAY_MS) / HOUR_MS)}h`;
}

/** One digit behind the point, and none where it is a zero. */
function trimmed(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function pad(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

/** In UTC: `03:12:45`, with its date where that is not the day of `now`. */
export function clock(epochMs: number, now: number): string {
  const text = new Date(epochMs).toISOString();
  const time = text.slice(11, 19);
  return text.slice(0, 10) === new Date(now).toISOString().slice(0, 10)
    ? time
    : `${text.slice(0, 10)} ${time}`;
}

/** `at 03:13:30, in 45 s` or `at 03:12:00, 45 s ago`. */
export function whenText(epochMs: number, now: number): string {
  const away = epochMs - now;
  const span = spanText(away);
  return `at ${clock(epochMs, now)}, ${away >= 0 ? `in ${span}` : `${span} ago`}`;
}

/** `pid 4711 on edge-1`. */
export function processText({ host, pid }: { host: string; pid: number }): string {
  return host === "unknown" ? `pid ${pid} on an unknown host` : `pid ${pid} on ${host}`;
}

/** `1 heartbeat`, `2 heartbeats`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `15 s`, however many decimals the setting has. */
export function secondsText(sec: number): string {
  return `${Number(sec.toFixed(3))} s`;
}
