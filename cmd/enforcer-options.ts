/** What the enforcer decides by, from the settings. */
import { hostname } from "node:os";
import { join } from "node:path";
import { thresholdsOf } from "../config/thresholds.ts";
import type { DecideSettings } from "../lib/core/decide-action.ts";
import { runnerId } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { createBeatBook } from "../lib/enforcer/beat-book.ts";
import type { BeatBook } from "../lib/enforcer/beat-book.ts";
import type { Context } from "./context.ts";

/** Figures are sent every 15 s; after three times that they say nothing of now. */
const MIN_FIGURES_AGE_SEC = 60;
const FIGURES_MISSED = 3;
const MAX_TOKEN_CHARS = 64;

/** The runner that the enforcer of this host is: `service/enforcer/<host>`. */
export function enforcerRunner(host: string = hostname()): RunnerId {
  const token = host.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, MAX_TOKEN_CHARS);
  return runnerId({ kind: "service", name: "enforcer", profile: token || "unknown" });
}

export function decideSettings({ restart, heartbeat }: Context["settings"]): DecideSettings {
  return {
    restart: {
      isEnabled: restart.enabled,
      backoffSec: restart.backoffSec,
      maxAttempts: restart.maxAttempts,
      cooldownSec: restart.cooldownSec,
      stableSec: restart.stableSec,
    },
    missThreshold: restart.missThreshold,
    checkEverySec: restart.checkEverySec,
    intervalSec: heartbeat.intervalSec,
    outageGraceSec: restart.outageGraceSec,
    hushShare: restart.hushPercent / 100,
    hushMin: restart.hushMin,
    self: enforcerRunner(),
  };
}

export function openBeatBook({ settings }: Pick<Context, "settings">): BeatBook {
  const { heartbeat, status } = settings;
  return createBeatBook({
    self: enforcerRunner(),
    selfIntervalSec: heartbeat.intervalSec,
    thresholds: thresholdsOf(settings),
    maxLagSec: status.maxLagSec,
    figuresMaxAgeSec: Math.max(MIN_FIGURES_AGE_SEC, FIGURES_MISSED * heartbeat.snapshotEverySec),
  });
}

export function memoryFile({ paths }: Pick<Context, "paths">): string {
  return join(paths.dataDir, "enforcer-state.json");
}

export function runsDir({ paths }: Pick<Context, "paths">): string {
  return join(paths.dataDir, "runs");
}
