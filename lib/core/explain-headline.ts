/** The one sentence that somebody in a hurry reads. */
import { endText } from "./explain-process.ts";
import { clock, processText, secondsText, spanText, whenText } from "./explain-text.ts";
import type { ExplainFacts, NextStep, NextStatus } from "./explanation.ts";
import { restartDenial, restartSettings } from "./restart-policy.ts";
import { healthOf, thresholdScale } from "./status.ts";

/** Status, why, and what comes next. */
export function headline(
  facts: ExplainFacts,
  change: NextStatus | null,
  next: NextStep | null,
): string {
  const sentences = [
    `${facts.runner} is ${facts.view.status.status}: ${why(facts)}.`,
    ...sideSentences(facts),
    ...coming(facts, change, next),
  ];
  return sentences.join(" ");
}

function why(facts: ExplainFacts): string {
  const { view, moment } = facts;
  const { status, liveness, thresholds } = view;
  const { now } = moment;
  const age = spanText(now - (liveness.lastHeartbeatAt ?? now));
  const interval = secondsText(view.intervalSec ?? thresholds.intervalSec);
  const grace = secondsText(thresholds.startGraceSec);
  switch (status.cause) {
    case "heartbeat":
      return `it beat ${age} ago and promises a heartbeat every ${interval}`;
    case "silence":
      return `it has not beaten for ${age}, though it promises a heartbeat every ${interval}${limit(facts)}`;
    case "ended":
      return ended(facts);
    case "spawned":
      return liveness.spawnedAt === null
        ? `it is in the fleet file, and is given ${grace} for its first heartbeat`
        : `its process was started ${spanText(now - liveness.spawnedAt)} ago and is given ${grace} for its first heartbeat`;
    case "no_heartbeat":
      return `its process was started ${spanText(now - (liveness.spawnedAt ?? now))} ago and has never beaten`;
    case "never_seen":
      return "it is in the fleet file, but nothing was ever heard of it";
    case "pipeline":
      return blind(facts);
  }
}

function limit({ view }: ExplainFacts): string {
  const { thresholds, liveness, status } = view;
  const scale = thresholdScale(liveness.intervalSec, thresholds);
  const { onlineSec, staleSec, offlineSec } = thresholds;
  const passed: Readonly<Record<string, number>> = {
    stale: onlineSec,
    missing: staleSec,
    offline: offlineSec,
  };
  const sec = passed[status.status];
  return sec === undefined ? "" : ` (more than ${secondsText(sec * scale)} is ${status.status})`;
}

function ended({ view, moment }: ExplainFacts): string {
  const { current } = view;
  if (current === undefined) return "its process has ended";
  const { announced, state } = current;
  const end = {
    state,
    exitCode: announced?.exit_code ?? null,
    signal: announced?.signal ?? null,
    endedAt: announced?.ended_at ?? null,
  };
  const ago = end.endedAt === null ? "" : `, ${spanText(moment.now - end.endedAt)} ago`;
  return `its process (${processText(current)}) ${endText(end, moment.now)}${ago}`;
}

function blind({ moment, pipeline }: ExplainFacts): string {
  const { blindSince, lastBlind } = moment.view;
  if (blindSince === null) {
    return `Runbeat could see nothing until ${clock(lastBlind?.to ?? moment.now, moment.now)}, and the runner has not had its turn to beat since`;
  }
  const cause =
    pipeline.trouble === undefined ? "it is behind the streams" : "NATS does not answer";
  return `Runbeat itself can't tell since ${clock(blindSince, moment.now)}, for ${cause}; that says nothing of the runner`;
}

function sideSentences({ view }: ExplainFacts): string[] {
  const health = view.beat === undefined ? "healthy" : healthOf(view.beat.health);
  const error = view.figures?.last_error ?? "";
  return [
    health === "healthy" ? "" : `It calls itself ${health}${error === "" ? "" : `: ${error}`}.`,
    view.duplicate ? "Two live processes beat for it." : "",
    view.restart?.paused === 1 ? "It is paused." : "",
    view.restart?.retired === 1 ? "It is retired." : "",
  ].filter((text) => text !== "");
}

function coming(facts: ExplainFacts, change: NextStatus | null, next: NextStep | null): string[] {
  const { view, moment } = facts;
  const { now } = moment;
  const isUnwell = view.status.status !== "online";
  const changes =
    change === null || view.status.status === "online"
      ? []
      : [`It becomes ${change.status} ${whenText(change.at, now)}, unless it beats.`];
  if (next === null && isUnwell) return [...changes, ...denial(facts)];
  if (next === null || !isUnwell) return changes;
  const when = next.at <= now ? "at the enforcer's next look" : whenText(next.at, now);
  return [...changes, `Next, ${next.text}, ${when}.`];
}

/** Where nothing comes next, it may be that nothing may. */
function denial({ rules, runner }: ExplainFacts): string[] {
  const entry = rules?.fleet?.runners.get(runner);
  if (rules?.fleet === undefined || entry === undefined) return [];
  const settings = restartSettings(rules.settings.restart, entry.restart);
  const why = restartDenial(rules.fleet, settings, runner);
  return why === undefined ? [] : [`It is not restarted: ${why}.`];
}
