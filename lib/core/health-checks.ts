/** The checks of a host: what each may find, and how a figure is judged. */

/** Every check that there is; the names are those of heartbeats and events. */
export const CHECK_NAMES = ["disk_space", "memory", "cpu", "network", "file_permissions"] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/** `unknown`: it can't be told on this host, or not yet. */
export type Severity = "ok" | "warning" | "error" | "unknown";

/** What one check found. */
export interface CheckResult {
  readonly check: CheckName;
  /** Epoch ms. */
  readonly at: number;
  readonly severity: Severity;
  /** Whether it is neither a warning nor an error. */
  readonly ok: boolean;
  /** For people, e.g. `Disk 97% used, limit 95%`. */
  readonly message: string;
  /** Percent used, or ms for the network; null where there is no figure. */
  readonly value: number | null;
}

/** From which percentages on a check warns and fails; `error` null: it only warns. */
export interface Thresholds {
  readonly warn: number;
  readonly error: number | null;
}

/** Percent used. */
export interface CheckLimits {
  readonly disk: Thresholds;
  readonly memory: Thresholds;
  readonly cpu: Thresholds;
}

export const DEFAULT_CHECK_LIMITS: CheckLimits = {
  disk: { warn: 85, error: 95 },
  memory: { warn: 80, error: 90 },
  cpu: { warn: 90, error: null },
};

/** A figure that swings around a limit changes its severity once, not at each look. */
const MARGIN_PERCENT = 2;

/**
 * Judges a percentage. To get better it must fall a little below the limit that it was above.
 * @param before the severity that the look before came to.
 */
export function judgePercent(percent: number, limits: Thresholds, before: Severity): Severity {
  const { warn, error } = limits;
  const margin = (severity: Severity) => (before === severity ? MARGIN_PERCENT : 0);
  if (error !== null && percent >= error - margin("error")) return "error";
  const isAbove = before === "warning" || before === "error";
  return percent >= warn - (isAbove ? MARGIN_PERCENT : 0) ? "warning" : "ok";
}

/** `Memory 83% used, limit 80%`, or without the limit where all is well. */
export function percentMessage(
  what: string,
  percent: number,
  limits: Thresholds,
  severity: Severity,
): string {
  const limit = severity === "error" ? limits.error : severity === "warning" ? limits.warn : null;
  return `${what} ${Math.round(percent)}% used${limit === null ? "" : `, limit ${limit}%`}`;
}
