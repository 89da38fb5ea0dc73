/** What an enforcer that is started now would do, without doing it. */
import { randomUUID } from "node:crypto";
import { loadFleet } from "../config/fleet.ts";
import { decide } from "../lib/core/decide.ts";
import type { Action } from "../lib/core/decide-action.ts";
import { newMemory, resumed, withoutRuns } from "../lib/core/decide-memory.ts";
import type { EnforcerMemory } from "../lib/core/decide-memory.ts";
import type { Fleet } from "../lib/core/fleet.ts";
import type { Observed, RunSeen } from "../lib/core/observed.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { lookAtRuns } from "../lib/enforcer/look-at-runs.ts";
import { readKept } from "../lib/enforcer/memory-file.ts";
import { hostProcesses } from "../lib/runner/host-processes.ts";
import type { Context } from "./context.ts";
import { withCameraHost } from "./hosted-cameras.ts";
import { decideSettings, memoryFile, runsDir } from "./enforcer-options.ts";

/** A first look judges no silence: missed checks are counted from an enforcer's start on. */
const UNHEARD = {
  status: "unknown",
  lastAt: null,
  memoryMb: null,
  cpuPercent: null,
  vramMb: null,
} as const;

/** Kinds whose processes an enforcer makes. */
const OURS: ReadonlySet<string> = new Set(["camera", "camera_host", "command"]);

/** One line of the answer. */
interface Planned {
  readonly action: "start" | "stop" | "take over" | "event";
  readonly runner: RunnerId;
  readonly detail: string;
}

export function dryRun(context: Context, asJson: boolean): void {
  const fleet = withCameraHost(loadFleet(context.paths.fleetFile, context.environment));
  const planned = plan(context, fleet);
  if (asJson) process.stdout.write(`${JSON.stringify({ actions: planned }, null, 2)}\n`);
  else process.stdout.write(textOf(planned));
}

function plan(context: Context, fleet: Fleet): Planned[] {
  const now = Date.now();
  const runs = lookAtRuns(runsDir(context), hostProcesses, now);
  const settings = decideSettings(context.settings);
  const observed = observedOf(fleet, runs, now);
  const { actions } = decide(fleet, settings, observed, memoryOf(context, now), now);
  const taken = [...runs].flatMap(([runner, run]): Planned[] => {
    if (run.kind !== "running") return [];
    return [{ action: "take over", runner, detail: run.pid === null ? "" : `pid ${run.pid}` }];
  });
  return [...taken, ...actions.flatMap(plannedOf)];
}

function observedOf(fleet: Fleet, runs: Map<RunnerId, RunSeen>, now: number): Observed {
  const seen = new Map([...runs].map(([runner, run]) => [runner, { run, beats: UNHEARD }]));
  for (const [runner, { driver }] of fleet.runners) {
    const isOurs = OURS.has(driver.kind);
    if (isOurs && !seen.has(runner)) seen.set(runner, { run: { kind: "none" }, beats: UNHEARD });
  }
  return { runners: seen, blindSince: now, sightedAt: null };
}

function memoryOf(context: Context, now: number): EnforcerMemory {
  const kept = readKept(memoryFile(context), (message) => context.log.warn(message));
  if (kept === undefined) return newMemory(randomUUID(), now);
  const isThisBoot = kept.bootId === hostProcesses.bootId();
  return resumed(isThisBoot ? kept.memory : withoutRuns(kept.memory), now);
}

function plannedOf(action: Action): Planned[] {
  const { runner } = action;
  switch (action.kind) {
    case "start":
      return [{ action: "start", runner, detail: startText(action.attempt) }];
    case "stop":
      return [{ action: "stop", runner, detail: action.reason }];
    case "event":
      return [{ action: "event", runner, detail: action.type }];
    case "settle":
    case "note":
      return [];
  }
}

function startText(attempt: number): string {
  return attempt === 0 ? "" : `attempt ${attempt}`;
}

function textOf(planned: readonly Planned[]): string {
  if (planned.length === 0) return "Nothing is to be done.\n";
  const lines = planned.map(({ action, runner, detail }) => `${action} ${runner} ${detail}`.trim());
  return `${lines.join("\n")}\n`;
}
