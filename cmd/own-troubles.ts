/** What is wrong with Runbeat itself, for alerts: the read models and the disk that they are on. */
import { statfsSync } from "node:fs";
import type { PipelineMonitor } from "../lib/api/pipeline-monitor.ts";
import { rulesWith } from "../lib/core/alert-rules.ts";
import { grouped } from "../lib/core/alert-troubles.ts";
import type { Trouble } from "../lib/core/alert-troubles.ts";
import type { ReadModels } from "../lib/core/read-models.ts";
import type { Context } from "./context.ts";

const PERCENT = 100;
const MAX_FINDINGS = 3;
/** A disk does not fill within seconds. */
const DISK_EVERY_MS = 10_000;

interface Watched {
  readonly context: Pick<Context, "paths" | "settings">;
  readonly models: ReadModels;
  readonly monitor: PipelineMonitor;
}

/** @returns what is wrong at the moment of the call. */
export function watchOwn({ context, models, monitor }: Watched): () => readonly Trouble[] {
  const disk = diskWatch(context);
  return () => [...behind(monitor), ...stopped(models), ...different(models), ...disk()];
}

/** Only what NATS is not to blame for: an outage has an alert of its own. */
function behind(monitor: PipelineMonitor): readonly Trouble[] {
  const since = monitor.moment().view.blindSince;
  if (since === null || monitor.trouble() !== undefined) return [];
  const detail = "the projector does not keep up, or does not run";
  return [{ type: "projection_behind", about: ["projector"], member: "projector", since, detail }];
}

function stopped(models: ReadModels): readonly Trouble[] {
  const rows = readable(() => models.checkpoints().rows) ?? [];
  return rows
    .filter((row) => row.lane === "main" && row.state === "stopped")
    .map(({ projection, error, error_seq }) => ({
      type: "projection_stopped" as const,
      about: [projection],
      member: projection,
      since: null,
      detail: `at sequence ${error_seq ?? "unknown"}: ${error ?? "its fold failed"}`,
    }));
}

/** What the check of a few rows now and then has found. */
function different(models: ReadModels): readonly Trouble[] {
  const findings = readable(() => models.standing().findings) ?? [];
  return [...grouped(findings, ({ projection }) => projection)].map(([projection, own]) => ({
    type: "verify_difference" as const,
    about: [projection],
    member: projection,
    since: null,
    detail: own
      .slice(0, MAX_FINDINGS)
      .map(({ row, column, live, folded }) => `${row} ${column ?? "row"}: ${live} for ${folded}`)
      .join("; "),
  }));
}

/** No database yet: nothing is wrong in it. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function diskWatch({ paths, settings }: Watched["context"]): () => readonly Trouble[] {
  const { limit } = rulesWith(settings.alerts.rules).disk_full;
  let lookedAt = -Infinity;
  let found: readonly Trouble[] = [];
  return () => {
    if (performance.now() - lookedAt < DISK_EVERY_MS) return found;
    lookedAt = performance.now();
    const used = usedPercent(paths.dataDir);
    const isFull = used !== undefined && limit !== null && used >= limit;
    const detail = `${(used ?? 0).toFixed(0)} % are used`;
    const trouble = { about: [paths.dataDir], member: paths.dataDir, since: null, detail };
    found = isFull ? [{ type: "disk_full", ...trouble }] : [];
    return found;
  };
}

function usedPercent(folder: string): number | undefined {
  try {
    const { blocks, bfree, bavail } = statfsSync(folder);
    const used = blocks - bfree;
    return (used * PERCENT) / Math.max(1, used + bavail);
  } catch {
    return undefined;
  }
}
