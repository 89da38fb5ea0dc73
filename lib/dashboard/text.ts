/** Times, ages and figures as the page writes them. */
import { clock, spanText } from "../core/explain-text.ts";
import type { RunnerItem } from "./items.ts";

const SECOND_MS = 1_000;

/** `3 s`, `5m 12s`: whole seconds, so that it does not flicker. */
export function ageText(ms: number): string {
  return spanText(Math.max(0, Math.floor(ms / SECOND_MS) * SECOND_MS) || 0).replace(
    /^0 ms$/,
    "0 s",
  );
}

/** Since a time. @param now epoch ms. */
export function sinceText(time: string | null, now: number): string {
  return time === null ? "never" : ageText(now - Date.parse(time));
}

/** `03:12:45`, with its date where that is another day; UTC. */
export function clockText(time: string | null, now: number): string {
  return time === null ? "–" : clock(Date.parse(time), now);
}

/** `2026-01-31 03:12:45 UTC`. */
export function momentText(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** At most three digits behind the point, and none that says nothing. */
export function figureText(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

/** The figure that says most of a runner: pictures a second, or the first that it counts. */
export function mainFigure({ heartbeat }: RunnerItem): string {
  if (heartbeat === null) return "";
  if (heartbeat.fps !== null) return `${figureText(heartbeat.fps)} fps`;
  const [first] = Object.entries(heartbeat.metrics);
  if (first !== undefined) return `${first[0]} ${figureText(first[1])}`;
  const cpu = heartbeat.resources["cpu_percent"];
  return typeof cpu === "number" ? `CPU ${figureText(cpu)}%` : "";
}

/** `+3 ms`; a clock that is off by more than this is worth a word. */
export const SKEW_WARN_MS = 2_000;

export function skewText(ms: number | null): string {
  if (ms === null) return "";
  return `${ms < 0 ? "−" : "+"}${spanText(ms)}`;
}
