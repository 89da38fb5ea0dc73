import { rulesWith } from "../lib/core/alert-rules.ts";
import type { AlertSettings } from "../lib/sentinel/alert-desk.ts";
import type { Context } from "./context.ts";

const PERCENT = 100;

/** How alerts are judged, grouped and told, as configured. */
export function alertSettings({ settings }: Pick<Context, "settings">): AlertSettings {
  const { alerts, restart, sentinel } = settings;
  return {
    rules: rulesWith(alerts.rules),
    groupWaitSec: alerts.groupWaitSec,
    growEverySec: alerts.growEverySec,
    resolveAfterSec: alerts.resolveAfterSec,
    flapWindowSec: alerts.flapWindowSec,
    summaryEverySec: sentinel.summaryEverySec,
    hushShare: restart.hushPercent / PERCENT,
    hushMin: restart.hushMin,
  };
}
