/** Alerts and silences as they stand on the ALERTS stream. Times are RFC 3339 there, epoch ms here. */
import { z } from "zod";
import { isNestedDeeper } from "./nesting.ts";
import { redactDeep } from "./redact.ts";
import type { Silence } from "./silence.ts";
import { formatTime, formatTimeOrNull, parseTime } from "./time.ts";

/** Worst first. */
export const SEVERITIES = ["critical", "warning", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

export const ALERT_TYPES = [
  "pipeline_down",
  "mass_silence",
  "host_down",
  "runner_offline",
  "service_restart_failed",
  "restart_denied",
  "runner_unhealthy",
  "runner_degraded",
  "runner_flapping",
  "clock_skew",
  "projection_behind",
  "projection_stopped",
  "verify_difference",
  "disk_full",
] as const;
export type AlertType = (typeof ALERT_TYPES)[number];

/** Types of messages on the stream that are no alerts. */
export const SUMMARY_TYPE = "health_summary";
export const SILENCE_TYPE = "silence_set";
export const UNSILENCE_TYPE = "silence_lifted";

/** Members that a message names; the count goes on. */
export const MAX_NAMED_MEMBERS = 1_000;
const MAX_ALERT_BYTES = 524_288;
const MAX_DETAIL_CHARS = 500;

/** One runner, host or part of the pipeline that an alert is about. */
export interface AlertMember {
  readonly name: string;
  /** Since when it is in trouble. */
  readonly since: number;
  readonly detail: string;
  /** Somebody asked not to be told of it. */
  readonly silenced: boolean;
}

export const ALERT_ACTIONS = ["raised", "updated", "resolved"] as const;
export type AlertAction = (typeof ALERT_ACTIONS)[number];

/** An alert as one message tells it: all of it, so that the last one is enough. */
export interface Alert {
  readonly id: string;
  readonly type: AlertType;
  readonly severity: Severity;
  readonly action: AlertAction;
  /** 1 for the first message of an alert. */
  readonly revision: number;
  /** Whether people are to be told. */
  readonly notify: boolean;
  /** What its members have in common, e.g. `edge-1, camera, silence`. */
  readonly group: string;
  readonly title: string;
  readonly openedAt: number;
  readonly resolvedAt: number | null;
  /** At present; the resolved alert names those of its end. */
  readonly members: readonly AlertMember[];
  readonly memberCount: number;
}

/** What a message of the stream says. */
export type AlertRecord =
  | { readonly kind: "alert"; readonly alert: Alert; readonly by: string }
  | { readonly kind: "silence"; readonly silence: Silence }
  | { readonly kind: "unsilence"; readonly id: string; readonly by: string }
  | { readonly kind: "summary" };

const instant = z.string().transform((text, context) => {
  const time = parseTime(text);
  if (time !== undefined) return time;
  context.addIssue("is no time");
  return z.NEVER;
});
const name = z.string().min(1).max(300);

const alertSchema = z.object({
  by: z.string().max(300).default("unknown"),
  id: name,
  type: z.enum(ALERT_TYPES),
  severity: z.enum(SEVERITIES),
  action: z.enum(ALERT_ACTIONS),
  revision: z.number().int().min(1),
  notify: z.boolean(),
  group: z.string().max(1_000),
  title: z.string().max(2_000),
  opened_at: instant,
  resolved_at: instant.nullable(),
  members: z
    .array(z.object({ name, since: instant, detail: z.string().max(4_000), silenced: z.boolean() }))
    .max(MAX_NAMED_MEMBERS),
  member_count: z.number().int().min(0),
});

const silenceSchema = z.object({
  id: name,
  pattern: name,
  from: instant,
  until: instant,
  reason: z.string().max(1_000).default(""),
  by: z.string().max(300).default("unknown"),
});

const unsilenceSchema = z.object({ id: name, by: z.string().max(300).default("unknown") });

/** An alert's body, redacted, ready for JSON; no longer than whoever reads it takes. */
export function alertBody(alert: Alert, by: string, atMs: number): object {
  for (let named = MAX_NAMED_MEMBERS; ; named = Math.floor(named / 2)) {
    const body = bodyNaming(named, alert, by, atMs);
    const bytes = Buffer.byteLength(JSON.stringify(body));
    if (bytes <= MAX_ALERT_BYTES || named === 0) return body;
  }
}

function bodyNaming(maxNamed: number, alert: Alert, by: string, atMs: number): object {
  const { members, openedAt, resolvedAt, memberCount, ...rest } = alert;
  const named = members.slice(0, maxNamed).map(({ detail, ...member }) => ({
    ...member,
    detail: detail.slice(0, MAX_DETAIL_CHARS),
  }));
  return {
    v: 1,
    at: formatTime(atMs),
    by,
    ...(redactDeep(rest) as object),
    opened_at: formatTime(openedAt),
    resolved_at: formatTimeOrNull(resolvedAt),
    members: redactDeep(named.map((member) => ({ ...member, since: formatTime(member.since) }))),
    member_count: memberCount,
  };
}

export function silenceBody({ from, until, reason, ...rest }: Silence, atMs: number): object {
  const times = { from: formatTime(from), until: formatTime(until) };
  return { v: 1, at: formatTime(atMs), ...rest, reason: redactDeep(reason), ...times };
}

/** Ends a silence before its time. @param by who asked for that. */
export function unsilenceBody(id: string, by: string, atMs: number): object {
  return { v: 1, at: formatTime(atMs), id, by };
}

/**
 * Reads a message of the ALERTS stream; undefined for what can't be read.
 * @param type the last word of its subject.
 */
export function parseAlertRecord(type: string, data: Uint8Array): AlertRecord | undefined {
  if (type === SUMMARY_TYPE) return { kind: "summary" };
  const body = jsonOf(data);
  if (type === SILENCE_TYPE) {
    const parsed = silenceSchema.safeParse(body);
    return parsed.success ? { kind: "silence", silence: parsed.data } : undefined;
  }
  if (type === UNSILENCE_TYPE) {
    const parsed = unsilenceSchema.safeParse(body);
    return parsed.success ? { kind: "unsilence", ...parsed.data } : undefined;
  }
  const parsed = alertSchema.safeParse(body);
  return parsed.success ? alertRecord(parsed.data) : undefined;
}

function alertRecord({ by, ...fields }: z.output<typeof alertSchema>): AlertRecord {
  const {
    opened_at: openedAt,
    resolved_at: resolvedAt,
    member_count: memberCount,
    ...rest
  } = fields;
  return { kind: "alert", by, alert: { ...rest, openedAt, resolvedAt, memberCount } };
}

function jsonOf(data: Uint8Array): unknown {
  if (data.length > MAX_ALERT_BYTES) return undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
    return isNestedDeeper(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
