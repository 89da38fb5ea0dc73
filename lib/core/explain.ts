/** Puts an explanation together. Pure: whoever calls it has gathered the facts. */
import { beatFacts, beatLines } from "./explain-beats.ts";
import { enforcerFacts, nextStep, restartFacts } from "./explain-enforcer.ts";
import { eventFact } from "./explain-events.ts";
import { headline } from "./explain-headline.ts";
import { healthFacts, processFacts } from "./explain-process.ts";
import { nextChange, statusFacts } from "./explain-status.ts";
import { clock, spanText } from "./explain-text.ts";
import { fact } from "./explanation.ts";
import type { ExplainFacts, Explanation, Fact, Section, SectionKey } from "./explanation.ts";
import { healthOf } from "./status.ts";

/** Heartbeats that are shown; one more is asked for, for the first one's gap. */
export const SHOWN_BEATS = 10;
export const SHOWN_EVENTS = 12;

const TITLES: Record<SectionKey, string> = {
  status: "Why this status",
  process: "Which process",
  heartbeats: "Its last heartbeats",
  health: "Its health",
  life_cycle: "What happened",
  restarts: "Restarts",
  enforcer: "What the enforcer does",
  pipeline: "What Runbeat can see",
};

export function explain(facts: ExplainFacts): Explanation {
  const { view, runner, moment } = facts;
  const intervalSec = view.intervalSec ?? view.thresholds.intervalSec;
  const all = facts.beats === undefined ? undefined : beatLines(facts.beats, { view, intervalSec });
  const lines = all?.slice(-SHOWN_BEATS);
  const change = nextChange(view, moment);
  const next = nextStep(facts);
  const sections: Record<SectionKey, readonly Fact[]> = {
    status: statusFacts(facts, change),
    process: processFacts(facts),
    heartbeats: beatFacts(lines, intervalSec),
    health: healthFacts(facts),
    life_cycle: lifeFacts(facts),
    restarts: restartFacts(facts),
    enforcer: enforcerFacts(facts, next),
    pipeline: pipelineFacts(facts),
  };
  return {
    runner,
    status: view.status.status,
    since: view.status.since,
    cause: view.status.cause,
    health: view.beat === undefined ? null : healthOf(view.beat.health),
    headline: headline(facts, change, next),
    change,
    next,
    heartbeats: lines ?? [],
    sections: Object.entries(sections).map(([key, list]): Section => ({
      key: key as SectionKey,
      title: TITLES[key as SectionKey],
      facts: list,
    })),
  };
}

function lifeFacts({ events, eventStream, view }: ExplainFacts): Fact[] {
  if (events.length > 0) {
    return events.map((event) => eventFact(event, eventStream));
  }
  const why = view.current === undefined ? "nothing was announced" : "it was never announced";
  return [fact(`The event stream holds nothing of it: ${why}, or it is longer ago than is kept.`)];
}

function pipelineFacts({ pipeline, moment }: ExplainFacts): Fact[] {
  const { lagMs, trouble, folded } = pipeline;
  const blind = moment.view.blindSince;
  const lag =
    lagMs === null
      ? "how far folding is behind is not known"
      : `folding is ${spanText(lagMs)} behind the streams`;
  const state =
    trouble !== undefined
      ? fact(`NATS does not answer: ${trouble}.`, "bad")
      : blind === null
        ? fact(`All of it: ${lag}.`, "good")
        : fact(`Nothing since ${clock(blind, moment.now)}: ${lag}.`, "bad");
  return [
    state,
    ...folded.map(({ stream, seq, time }) =>
      fact(`${stream} is folded up to a message of ${clock(time, moment.now)}.`, "plain", {
        stream,
        seq,
        time,
      }),
    ),
  ];
}
