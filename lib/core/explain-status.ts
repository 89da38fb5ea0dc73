/** The status rule applied to one runner, with its numbers. */
import { clock, secondsText, spanText, whenText } from "./explain-text.ts";
import { fact } from "./explanation.ts";
import type { Evidence, ExplainFacts, Fact, NextStatus, Tone } from "./explanation.ts";
import type { RunnerView } from "./read-models.ts";
import { CLEAR_VIEW, statusOf, thresholdScale } from "./status.ts";
import type { Moment } from "./read-models.ts";
import type { Status } from "./status.ts";
import { nextChangeAt } from "./status-changes.ts";

const TONE_OF: Record<Status, Tone> = {
  starting: "plain",
  online: "good",
  stale: "warn",
  missing: "warn",
  offline: "bad",
  unknown: "warn",
};
/** What it will be next, and when, if nothing more is heard. */
export function nextChange(view: RunnerView, moment: Moment): NextStatus | null {
  const { liveness, thresholds } = view;
  const at = nextChangeAt(liveness, moment.now, thresholds, moment.view);
  if (at === undefined) return null;
  return { status: statusOf(liveness, at, thresholds, moment.view).status, at };
}

export function statusFacts(facts: ExplainFacts, change: NextStatus | null): Fact[] {
  const { view, moment } = facts;
  const tone = TONE_OF[view.status.status];
  return [
    ...ruleFacts(facts, tone),
    ...blindnessFacts(facts),
    ...(change === null ? [] : [changeFact(view, change, moment.now)]),
    ...axisFacts(facts),
  ];
}

function ruleFacts(facts: ExplainFacts, tone: Tone): Fact[] {
  const { view, moment } = facts;
  const { now } = moment;
  const { liveness, thresholds } = view;
  switch (view.status.cause) {
    case "heartbeat":
    case "silence":
      return ageFacts(facts, tone);
    case "ended": {
      const at = liveness.endedAt ?? now;
      const text = `Its process is known to have ended ${whenText(at, now)}: that is offline at once, whatever the age of its last heartbeat.`;
      return [fact(text, tone, endEvidence(facts))];
    }
    case "spawned": {
      const grace = secondsText(thresholds.startGraceSec);
      const text =
        liveness.spawnedAt === null
          ? `It is in the fleet file and nothing was ever heard of it. It has ${grace} for its first heartbeat.`
          : `Its process was announced ${whenText(liveness.spawnedAt, now)}. It has ${grace} for its first heartbeat.`;
      return [fact(text, tone, startEvidence(facts))];
    }
    case "no_heartbeat": {
      const grace = secondsText(thresholds.startGraceSec);
      const text = `Its process was announced ${whenText(liveness.spawnedAt ?? now, now)}, and no heartbeat came within the ${grace} that it had.`;
      return [fact(text, tone, startEvidence(facts))];
    }
    case "never_seen": {
      const grace = secondsText(thresholds.startGraceSec);
      const text = `It is in the fleet file, but nothing was ever heard of it, and the ${grace} for a first heartbeat are over.`;
      return [fact(text, tone)];
    }
    case "pipeline":
      return unknownFacts(facts, tone);
  }
}

function ageFacts(facts: ExplainFacts, tone: Tone): Fact[] {
  const { view, moment } = facts;
  const lastAt = view.liveness.lastHeartbeatAt ?? moment.now;
  const age = `The last heartbeat of its current process is ${spanText(moment.now - lastAt)} old (${clock(lastAt, moment.now)}, by the stream's clock).`;
  const ended = view.liveness.endedAt;
  const back =
    ended === null
      ? []
      : [
          fact(
            `It was said to have ended ${whenText(ended, moment.now)}, but it has beaten since: so it lives.`,
          ),
        ];
  return [fact(age, tone, lastBeat(facts)), ...limitFacts(view), ...back];
}

/** The three ages, as they are for this runner. */
function limitFacts(view: RunnerView): Fact[] {
  const { thresholds, liveness, declared } = view;
  const scale = thresholdScale(liveness.intervalSec, thresholds);
  const at = (sec: number): string => secondsText(sec * scale);
  const { onlineSec, staleSec, offlineSec } = thresholds;
  const rule = `Up to ${at(onlineSec)} is online, up to ${at(staleSec)} stale, up to ${at(offlineSec)} missing, more is offline.`;
  const own = Object.keys(declared?.thresholds ?? {}).length > 0;
  const source = own ? [fact("The fleet file has ages of its own for it.")] : [];
  if (scale === 1) return [fact(rule), ...source];
  const times = Number(scale.toFixed(2));
  const why = `It promises a heartbeat every ${secondsText(liveness.intervalSec ?? 0)}, ${times} times the usual ${secondsText(thresholds.intervalSec)}, so every age is ${times} times as long.`;
  return [fact(rule), fact(why), ...source];
}

function unknownFacts(facts: ExplainFacts, tone: Tone): Fact[] {
  const { view, moment, pipeline } = facts;
  const { blindSince, lastBlind } = moment.view;
  const { thresholds, liveness } = view;
  const told = statusOf(liveness, blindSince ?? moment.now, thresholds, CLEAR_VIEW).status;
  if (blindSince === null) {
    const until = clock(lastBlind?.to ?? moment.now, moment.now);
    return [
      fact(
        `Runbeat saw nothing until ${until}; the runner has ${secondsText(thresholds.onlineSec)} from then on to be heard again.`,
        tone,
      ),
    ];
  }
  const why = pipeline.trouble ?? "the read models are behind the streams";
  return [
    fact(
      `Runbeat itself has seen nothing since ${whenText(blindSince, moment.now).replace("at ", "")}: ${why}.`,
      tone,
    ),
    fact(`That says nothing of the runner. Before, it was ${told}.`),
    fact("While it is so, nobody is alerted and nothing is restarted for silence."),
  ];
}

function blindnessFacts({ view, moment }: ExplainFacts): Fact[] {
  const { lastBlind, blindSince } = moment.view;
  const lastAt = view.liveness.lastHeartbeatAt;
  if (lastBlind === null || blindSince !== null || lastAt === null) return [];
  if (lastAt >= lastBlind.to || view.status.cause === "ended") return [];
  const span = `${clock(lastBlind.from, moment.now)} to ${clock(lastBlind.to, moment.now)}`;
  return [
    fact(
      `Runbeat saw nothing from ${span}. A silence that hid in it is counted from its end.`,
      "warn",
    ),
  ];
}

function changeFact(view: RunnerView, { status, at }: NextStatus, now: number): Fact {
  const unless =
    view.status.cause === "spawned" ? "unless a heartbeat comes" : "if no heartbeat comes";
  return fact(`It becomes ${status} ${whenText(at, now)}, ${unless}.`);
}

function axisFacts({ view }: ExplainFacts): Fact[] {
  const { restart } = view;
  const facts: Fact[] = [];
  if (restart?.retired === 1) {
    facts.push(fact("It is retired: taken off the lists, and kept for its history.", "warn"));
  }
  if (restart?.paused === 1) {
    facts.push(fact("It is paused: its process is left alone, no restarts, no alerts.", "warn"));
  }
  return facts;
}

/** The newest heartbeat of the current process; the read model's row where the stream is far. */
function lastBeat({ beats, view }: ExplainFacts): Evidence | null {
  const time = view.liveness.lastHeartbeatAt;
  const found = beats?.findLast((beat) => beat.time === time);
  return found === undefined ? null : { stream: found.stream, seq: found.seq, time: found.time };
}

const ENDS = ["process_exited", "process_lost"];

function endEvidence({ events, eventStream, view }: ExplainFacts): Evidence | null {
  const event = events.findLast(
    ({ type, time }) => ENDS.includes(type) && time === view.liveness.endedAt,
  );
  if (event === undefined) return null;
  return { stream: eventStream, seq: event.stream_seq, time: event.time };
}

function startEvidence({ view, eventStream }: ExplainFacts): Evidence | null {
  const announced = view.current?.announced;
  if (announced === undefined) return null;
  return { stream: eventStream, seq: announced.first_seq, time: announced.announced_at };
}
