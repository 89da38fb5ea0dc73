/** `runbeat replay --what-if`: the past again, under other settings. */
import { loadFleet } from "../config/fleet.ts";
import { loadSettings } from "../config/load-settings.ts";
import type { FlagValue } from "../config/load-settings.ts";
import { SETTING_LIST } from "../config/setting-list.ts";
import type { SettingEntry } from "../config/setting-list.ts";
import type { Settings } from "../config/settings.ts";
import { thresholdsOf } from "../config/thresholds.ts";
import { AppError } from "../lib/core/errors.ts";
import type { Fleet } from "../lib/core/fleet.ts";
import { isRunnerChosen } from "../lib/core/message-choice.ts";
import type { MessageChoice } from "../lib/core/message-choice.ts";
import { didYouMean } from "../lib/core/nearest-word.ts";
import { tryParseRunnerId } from "../lib/core/runner-id.ts";
import type { SimulationSettings } from "../lib/core/simulation.ts";
import { formatTime } from "../lib/core/time.ts";
import type { MergedReaderOptions } from "../lib/operator/merged-reader.ts";
import { openStateAt } from "../lib/operator/state-at.ts";
import type { StateAt } from "../lib/operator/state-at.ts";
import { whatIf } from "../lib/operator/what-if.ts";
import type { WhatIfReport } from "../lib/operator/what-if.ts";
import { countText } from "../lib/core/amount.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { whatIfLines } from "../lib/terminal/what-if-text.ts";
import { projections } from "../projections/index.ts";
import { alertSettings } from "./alert-rules.ts";
import type { Context } from "./context.ts";
import { decideSettings } from "./enforcer-options.ts";

/** Settings that a simulation goes by; a change of any other would only seem to change nothing. */
const SIMULATED = [
  "heartbeat.interval_sec",
  "heartbeat.online_sec",
  "heartbeat.stale_sec",
  "heartbeat.offline_sec",
  "heartbeat.log_every_sec",
  "status.start_grace_sec",
  "restart.enabled",
  "restart.check_every_sec",
  "restart.miss_threshold",
  "restart.max_attempts",
  "restart.backoff_sec",
  "restart.cooldown_sec",
  "restart.stable_sec",
  "restart.outage_grace_sec",
  "restart.hush_percent",
  "restart.hush_min",
  "alerts.group_wait_sec",
  "alerts.resolve_after_sec",
  "alerts.flap_window_sec",
];

export interface ChangedSetting {
  readonly key: string;
  /** As it was written: an environment's name or the key. */
  readonly name: string;
  readonly text: string;
}

/** Takes `HEARTBEAT_STALE_SEC=30`. @throws AppError `invalid` that says what is allowed. */
export function parseChange(text: string): ChangedSetting {
  const equals = text.indexOf("=");
  const name = text.slice(0, Math.max(0, equals)).trim();
  const value = text.slice(equals + 1).trim();
  if (equals < 1 || value === "") {
    throw new AppError(
      "invalid",
      `--what-if: "${text}" is no setting: write KEY=VALUE, for example HEARTBEAT_STALE_SEC=30`,
    );
  }
  const simulated = SETTING_LIST.filter(({ key }) => SIMULATED.includes(key));
  const entry = SETTING_LIST.find(({ key, env }) => key === name || env.includes(name));
  if (entry !== undefined && simulated.includes(entry))
    return { key: entry.key, name, text: value };
  const known = simulated.flatMap(({ key, env }) => [...env, key]);
  const names = simulated.map(({ key, env }) => env[0] ?? key).join(", ");
  const why =
    entry === undefined
      ? `${name} is no setting.${didYouMean(name, known)}`
      : `${name} is a setting, but nothing of what is simulated depends on it.`;
  throw new AppError("invalid", `--what-if: ${why} It takes ${names}`);
}

/** The settings with the changes, checked as settings always are. */
function changedSettings(context: Context, changes: readonly ChangedSetting[]): Settings {
  const flags = new Map<string, FlagValue>();
  for (const { key, name, text } of changes) flags.set(key, { flag: `--what-if ${name}`, text });
  const { file, environment } = context;
  return loadSettings({ file, environment, flags }).settings;
}

function simulationSettings(settings: Settings): SimulationSettings {
  return {
    thresholds: thresholdsOf(settings),
    decide: decideSettings(settings),
    logEverySec: settings.heartbeat.logEverySec,
    alerts: alertSettings({ settings }),
  };
}

export interface WhatIfRequest {
  readonly changes: readonly ChangedSetting[];
  readonly reading: MergedReaderOptions;
  readonly choice: MessageChoice;
  /** Epoch ms; the range's end where none was given. */
  readonly nowMs: number;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

export async function replayWhatIf(context: Context, request: WhatIfRequest): Promise<void> {
  const { reading, choice, signal, json } = request;
  const changed = changedSettings(context, request.changes);
  const fleet = fleetOf(context);
  const { nc, jsm, prefixes } = reading;
  const to = reading.to ?? request.nowMs;
  const from = reading.from ?? 0;
  const state = await stateBefore(context, request, fleet, from);
  const isWatched = process.stderr.isTTY;
  try {
    const report = await whatIf({
      nc,
      jsm,
      prefixes,
      baseline: simulationSettings(context.settings),
      changed: simulationSettings(changed),
      fleet,
      from,
      to,
      state: state?.db,
      isReported: (runner) => {
        const id = tryParseRunnerId(runner);
        return id !== undefined && isRunnerChosen(choice, id);
      },
      signal,
      ...(isWatched ? { onProgress: showProgress } : {}),
    });
    if (isWatched) process.stderr.write("\r\u001B[K");
    show(context, { ...report, from, to, changes: shownChanges(context, changed, request) }, json);
  } finally {
    state?.close();
  }
}

function showProgress(messages: number, time: number): void {
  const at = new Date(time).toISOString().slice(11, 19);
  process.stderr.write(`\r\u001B[K${countText(messages)} messages, at ${at} UTC`);
}

/** Without a fleet file in the settings every runner is taken as if it had no settings of its own. */
function fleetOf({ settings, paths, environment }: Context): Fleet | undefined {
  return settings.fleet === null ? undefined : loadFleet(paths.fleetFile, environment);
}

/** The state just before the range; undefined where nothing is known of before. */
async function stateBefore(
  context: Context,
  { reading, signal }: WhatIfRequest,
  fleet: Fleet | undefined,
  from: number,
): Promise<StateAt | undefined> {
  try {
    return await openStateAt({
      nc: reading.nc,
      prefixes: reading.prefixes,
      projections,
      thresholds: thresholdsOf(context.settings),
      declared: [...(fleet?.runners.values() ?? [])].map(({ runner, driver, ...entry }) => ({
        runner,
        driver: driver.kind,
        intervalSec: entry.intervalSec,
        thresholds: entry.thresholds,
      })),
      at: from - 1,
      signal,
    });
  } catch (error) {
    if (error instanceof AppError && error.code === "not_found") return undefined;
    throw error;
  }
}

function shownChanges(
  { settings }: Context,
  changed: Settings,
  { changes }: WhatIfRequest,
): { name: string; from: string; to: string }[] {
  return changes.map(({ key, name }) => {
    const entry = SETTING_LIST.find((other) => other.key === key);
    return { name, from: valueText(settings, entry), to: valueText(changed, entry) };
  });
}

function valueText(settings: Settings, entry: SettingEntry | undefined): string {
  let value: unknown = settings;
  for (const part of entry?.path ?? []) value = (value as Record<string, unknown>)[part];
  return Array.isArray(value) ? value.join(",") : String(value);
}

type Shown = WhatIfReport & Parameters<typeof whatIfLines>[0];

function show(context: Context, report: Shown, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(asJson(report), null, 2)}\n`);
    return;
  }
  const { isTTY, columns } = process.stdout;
  const looks = terminalLooks({ isTTY, columns, environment: context.environment });
  process.stdout.write(`${whatIfLines(report, looks).join("\n")}\n`);
}

function asJson(report: Shown): object {
  const { transitions, restarts, exhausted, denied, snapshots, alerts, recorded, changes } = report;
  return {
    same: report.isSame,
    from: formatTime(report.from),
    to: formatTime(report.to),
    settings: changes,
    runners: report.runners,
    recorded,
    transitions: { ...transitions, by_change: Object.fromEntries(report.transitionsBy) },
    restarts,
    exhausted,
    denied,
    alerts,
    snapshots,
    examples: report.examples.map(({ byMs, at, ...example }) => ({
      ...example,
      at: formatTime(at),
      by_ms: byMs,
    })),
  };
}
