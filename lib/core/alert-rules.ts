/** Which alerts there are and how they behave unless the configuration says otherwise. */
import { ALERT_TYPES } from "./alert.ts";
import type { AlertType, Severity } from "./alert.ts";

export interface AlertRule {
  readonly enabled: boolean;
  readonly severity: Severity;
  /** A trouble that is over sooner is told to nobody. */
  readonly forSec: number;
  /** What the type compares with: runners, changes, percent or seconds; null where it has nothing. */
  readonly limit: number | null;
}

export type AlertRules = Readonly<Record<AlertType, AlertRule>>;

function rule(severity: Severity, forSec: number, limit: number | null = null): AlertRule {
  return { enabled: true, severity, forSec, limit };
}

export const DEFAULT_RULES: AlertRules = {
  pipeline_down: rule("critical", 15),
  /** A short break of the network wakes nobody. */
  mass_silence: rule("critical", 30),
  /** All runners of a host that has at least so many. */
  host_down: rule("critical", 0, 2),
  runner_offline: rule("critical", 30),
  service_restart_failed: rule("critical", 0),
  restart_denied: rule("critical", 0),
  runner_unhealthy: rule("critical", 30),
  runner_degraded: rule("warning", 120),
  /** So many falls from online within `flap_window_sec`. */
  runner_flapping: rule("warning", 0, 4),
  /** Seconds. */
  clock_skew: rule("warning", 60, 5),
  projection_behind: rule("critical", 30),
  projection_stopped: rule("critical", 0),
  verify_difference: rule("critical", 0),
  /** Percent of the disk that the streams or the database are on. */
  disk_full: rule("warning", 60, 90),
};

/** What the configuration may say of one rule. */
export interface RuleChange {
  readonly type: AlertType;
  readonly enabled?: boolean | undefined;
  readonly severity?: Severity | undefined;
  readonly forSec?: number | undefined;
  readonly limit?: number | undefined;
}

/** The rules with what was configured; of several changes of one rule the last one counts. */
export function rulesWith(changes: readonly RuleChange[]): AlertRules {
  const changed = (type: AlertType): AlertRule => {
    const own = changes.filter((change) => change.type === type);
    return own.reduce<AlertRule>(
      (rule, { enabled, severity, forSec, limit }) => ({
        enabled: enabled ?? rule.enabled,
        severity: severity ?? rule.severity,
        forSec: forSec ?? rule.forSec,
        limit: limit ?? rule.limit,
      }),
      DEFAULT_RULES[type],
    );
  };
  return Object.fromEntries(ALERT_TYPES.map((type) => [type, changed(type)])) as AlertRules;
}
