/** The enforcer's own heartbeat: how this host is, and proof that heartbeats come through at all. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { EventAction } from "../lib/core/decide-action.ts";
import type { CheckResult } from "../lib/core/health-checks.ts";
import type { Enforcer } from "../lib/enforcer/enforcer.ts";
import { startHeartbeatClient } from "../lib/runner/heartbeat-client.ts";
import { ownStartedAt } from "../lib/runner/process-identity.ts";
import { createUsageMeter } from "../lib/runner/process-usage.ts";
import { usageFields } from "../lib/runner/usage-fields.ts";
import { beatChannel } from "./beat-options.ts";
import type { Context } from "./context.ts";
import { enforcerRunner } from "./enforcer-options.ts";
import { openHealthChecks, withHealth } from "./health-checks.ts";

interface Told {
  readonly publish: (event: EventAction, atMs: number) => Promise<void>;
}

/** @returns what ends it. */
export function startEnforcerBeats(
  context: Context,
  enforcer: Enforcer,
  { publish }: Told,
): () => Promise<void> {
  const { heartbeat } = context.settings;
  const runner = enforcerRunner();
  const usage = createUsageMeter(process.pid, { isAlone: true });
  const health = openHealthChecks(context, (result) => {
    const { ok, message } = result;
    context.log[ok ? "info" : "warn"]({ check: result.check }, message);
    publish(checkEvent(runner, result), result.at).catch(() => {});
    beats.beat();
  });
  const beats = startHeartbeatClient({
    identity: {
      runner,
      host: hostname(),
      pid: process.pid,
      startedAt: ownStartedAt(),
      intervalSec: heartbeat.intervalSec,
    },
    snapshotEverySec: heartbeat.snapshotEverySec,
    open: beatChannel(context, runner),
    collect: () =>
      withHealth({ metrics: metricsOf(enforcer), resources: usageFields(usage()) }, health),
    onError: (error) => context.log.debug(error.message),
  });
  return async () => {
    await health.stop();
    await beats.stop();
  };
}

function checkEvent(runner: EventAction["runner"], result: CheckResult): EventAction {
  const { check, ok, message, value } = result;
  const type = ok ? "check_recovered" : "check_failed";
  return { kind: "event", runner, type, data: { check, message, value }, msgId: randomUUID() };
}

function metricsOf(enforcer: Enforcer): Record<string, number> {
  const views = enforcer.describe();
  const count = (state: string): number => views.filter((view) => view.state === state).length;
  return {
    runners: views.length,
    running: count("running"),
    waiting: count("waiting"),
    cooling: count("cooling"),
    ended: count("ended") + count("stopped"),
    paused: views.filter(({ paused }) => paused).length,
  };
}
