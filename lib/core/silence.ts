/** Silences: how one is asked for, and whom it covers. */
import { AppError } from "./errors.ts";
import { requireMoment } from "./moment.ts";
import { matchesRunner, matchesText, RUNNER_KINDS } from "./runner-id.ts";
import type { RunnerId } from "./runner-id.ts";
import { formatTime } from "./time.ts";

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DURATION_MS = 366 * 86_400_000;
export const MAX_SILENCE_REASON_CHARS = 500;
const RUNNERS = new RegExp(`^(\\*|(${RUNNER_KINDS.join("|")}|\\*)(/[A-Za-z0-9_*-]{1,64}){0,2})$`);
const HOST_WORD = "host:";
const ALERT_WORD = "alert:";
const HOST = /^host:[^\s/]{1,250}$/;
const ALERT = /^alert:[^\s*]{1,250}$/;

/** As it stands on the ALERTS stream; times are epoch ms. */
export interface Silence {
  readonly id: string;
  /** Of runners, such as `camera/*`; `*` is all; `host:edge-1`, `alert:ID`. */
  readonly pattern: string;
  readonly from: number;
  readonly until: number;
  readonly reason: string;
  readonly by: string;
}

/** As somebody asks for it; times and durations as people write them. */
export interface SilenceRequest {
  /** `camera/*`, `*`, `host:edge-1`, or `alert:` and an alert's id. */
  readonly pattern: string;
  /** When it begins; now unless given. */
  readonly from?: string | undefined;
  /** When it ends; this or `for`. */
  readonly until?: string | undefined;
  /** How long it lasts: 30m, 2h, 3d. */
  readonly for?: string | undefined;
  readonly reason?: string | undefined;
}

export interface NewSilence {
  readonly id: string;
  readonly by: string;
  /** Epoch ms. */
  readonly nowMs: number;
}

/** @throws AppError `invalid` that says what is wrong with the pattern or the times. */
export function newSilence(request: SilenceRequest, { id, by, nowMs }: NewSilence): Silence {
  const { pattern, reason = "" } = request;
  requirePattern(pattern);
  const from = request.from === undefined ? nowMs : requireMoment("from", request.from, nowMs);
  const until = endOf(request, from, nowMs);
  if (until <= from) {
    throw new AppError("invalid", `until: ${formatTime(until)} is not after ${formatTime(from)}`);
  }
  if (until <= nowMs) {
    throw new AppError("invalid", `until: ${formatTime(until)} is over already`);
  }
  if (until - from > MAX_DURATION_MS) {
    throw new AppError("invalid", "A silence lasts 366 days at most");
  }
  return { id, pattern, from, until, reason: reason.slice(0, MAX_SILENCE_REASON_CHARS), by };
}

function requirePattern(pattern: string): void {
  if ([RUNNERS, HOST, ALERT].some((form) => form.test(pattern))) return;
  throw new AppError(
    "invalid",
    `"${pattern}" is no pattern of runners: write kind/name/profile with * for any, such as ` +
      "camera/front-*/hd, or camera for all of a kind, or * for all; host:edge-1 for those of a " +
      "host, alert:ID for one alert",
  );
}

function endOf(request: SilenceRequest, from: number, nowMs: number): number {
  const { for: duration, until } = request;
  if (duration !== undefined && until === undefined) return from + durationOf(duration);
  if (until !== undefined && duration === undefined) return requireMoment("until", until, nowMs);
  throw new AppError("invalid", "Say how long it lasts: for (such as 2h) or until, one of them");
}

function durationOf(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit] ?? 0);
  if (ms > 0 && ms <= MAX_DURATION_MS) return ms;
  throw new AppError("invalid", `"${text}" is no duration: write 30m, 2h or 3d, at most 366d`);
}

/** What an alert is told of, as far as a silence asks for it. */
export interface SilencedMember {
  /** A runner, or a part of Runbeat. */
  readonly name: string;
  readonly host?: string | undefined;
  readonly alertId?: string | undefined;
}

/** Whether a pattern covers a member; `*` covers everything. */
export function coversMember(pattern: string, { name, host, alertId }: SilencedMember): boolean {
  if (pattern === "*") return true;
  if (pattern.startsWith(ALERT_WORD)) return pattern.slice(ALERT_WORD.length) === alertId;
  if (pattern.startsWith(HOST_WORD)) {
    return host !== undefined && matchesText(pattern.slice(HOST_WORD.length), host);
  }
  return matchesRunner(pattern, name as RunnerId);
}
