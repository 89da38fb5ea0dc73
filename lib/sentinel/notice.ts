/** What a sink is handed: one alert, or several in one piece, and how people read it. */
import { createHash } from "node:crypto";
import { SEVERITIES } from "../core/alert.ts";
import type { Alert, Severity } from "../core/alert.ts";
import { formatTime } from "../core/time.ts";

/** So many alerts at once are told one by one; more are one piece. */
const MAX_SINGLE = 3;
/** Members that a text names, and each alert of several in one piece. */
export const MAX_SHOWN = 20;
/** Alerts that a text tells whole. */
const MAX_TOLD = 50;

export interface Notice {
  /** The same for the same notice, however often it is tried: receivers may go by it. */
  readonly key: string;
  readonly alerts: readonly Alert[];
}

/** A place where people hear of alerts. */
export interface Sink {
  readonly name: string;
  readonly minSeverity: Severity;
  /** Resolves once it was taken. @throws when it was not, or nobody knows. */
  deliver(notice: Notice, signal: AbortSignal): Promise<void>;
}

export function isSevereEnough(severity: Severity, min: Severity): boolean {
  return SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(min);
}

/**
 * What there is to tell of some messages, oldest first: of each alert its last state, and nothing
 * of one of which nobody is to be told. After an outage of the sink it is one piece, not a storm.
 */
export function noticesOf(messages: readonly Alert[]): readonly Notice[] {
  const last = new Map<string, Alert>();
  const wanted = new Set<string>();
  for (const alert of messages) {
    if (alert.notify) wanted.add(alert.id);
    const before = last.get(alert.id);
    if (before === undefined || before.revision <= alert.revision) last.set(alert.id, alert);
  }
  const alerts = [...last.values()].filter(({ id }) => wanted.has(id));
  if (alerts.length <= MAX_SINGLE) {
    return alerts.map((alert) => ({ key: keyOf(alert), alerts: [alert] }));
  }
  const hash = createHash("sha256").update(alerts.map(keyOf).join("\n")).digest("hex");
  return [{ key: `digest-${hash.slice(0, 16)}`, alerts }];
}

function keyOf({ id, revision }: Alert): string {
  return `${id}-${revision}`;
}

/** One line. */
export function headlineOf({ alerts }: Notice): string {
  const [first] = alerts;
  if (first === undefined) return "Runbeat";
  if (alerts.length === 1) return `[${wordOf(first)}] ${first.title}`;
  const open = alerts.filter(({ action }) => action !== "resolved").length;
  return `[${alerts.length} alerts] ${open} open, ${alerts.length - open} resolved`;
}

function wordOf({ action, severity }: Alert): string {
  return action === "resolved" ? "RESOLVED" : severity.toUpperCase();
}

/** The whole text, plain. */
export function textOf(notice: Notice): string {
  if (notice.alerts.length === 1) return notice.alerts.map(alertText).join("\n");
  const told = notice.alerts.slice(0, MAX_TOLD);
  const texts = told.map((alert) => `[${wordOf(alert)}] ${alertText(alert)}`);
  const rest = notice.alerts.length - told.length;
  return [...texts, ...(rest > 0 ? [`and ${rest} more alerts`] : [])].join("\n\n");
}

function alertText(alert: Alert): string {
  const { title, openedAt, resolvedAt, members, memberCount } = alert;
  const until = resolvedAt === null ? "" : `, over since ${formatTime(resolvedAt)}`;
  const shown = members.slice(0, MAX_SHOWN).map(({ name, since, detail, silenced }) => {
    const mark = silenced ? " (silenced)" : "";
    return `  ${name}: ${detail}, since ${formatTime(since)}${mark}`;
  });
  const rest = memberCount - shown.length;
  const more = rest > 0 ? [`  and ${rest} more`] : [];
  return [title, `Open since ${formatTime(openedAt)}${until}.`, ...shown, ...more].join("\n");
}
