/** Which process a runner's state is about, why that one, and how it is by its own account. */
import { isSameProcess } from "./current-process.ts";
import { clock, plural, processText, spanText, whenText } from "./explain-text.ts";
import { fact } from "./explanation.ts";
import type { Evidence, ExplainFacts, Fact } from "./explanation.ts";
import type { ProcessView } from "./read-models.ts";
import { healthOf } from "./status.ts";

/** Other processes that are named; the rest is counted. */
const MAX_OTHERS = 4;

export function processFacts(facts: ExplainFacts): Fact[] {
  const { view, moment } = facts;
  const { current } = view;
  if (current === undefined) return [fact("No process of it was ever announced or heard.")];
  const others = facts.processes.filter((process) => !isCurrent(facts, process));
  return [
    currentFact(facts),
    ...whyFacts(facts, others),
    ...duplicateFacts(facts, others),
    ...others.slice(0, MAX_OTHERS).map((process) => otherFact(process, moment.now)),
    ...(others.length > MAX_OTHERS ? [fact(`And ${others.length - MAX_OTHERS} more.`)] : []),
  ];
}

function isCurrent({ view }: ExplainFacts, { host, pid, startedAt }: ProcessView): boolean {
  const { current } = view;
  if (current === undefined) return false;
  const one = { host: current.host, pid: current.pid, started_at: current.startedAt };
  return isSameProcess(one, { host, pid, started_at: startedAt });
}

function currentFact({ view, moment, eventStream }: ExplainFacts): Fact {
  const { current } = view;
  if (current === undefined) return fact("There is none.");
  const started =
    current.startedAt === 0
      ? "which did not say when it started"
      : `started ${whenText(current.startedAt, moment.now)}`;
  const { announced } = current;
  if (announced === undefined) {
    return fact(
      `It is ${processText(current)}, ${started}. Nobody announced it: it beats by itself, and no enforcer here started it.`,
    );
  }
  const evidence = {
    stream: eventStream,
    seq: announced.first_seq,
    time: announced.announced_at,
  };
  return fact(`It is ${processText(current)}, ${started}; ${current.state}.`, "plain", evidence);
}

function whyFacts({ view }: ExplainFacts, others: readonly ProcessView[]): Fact[] {
  if (others.length === 0 || view.current === undefined) return [];
  const heard = view.current.isBeating
    ? "It is the one that counts because it started last of all that beat or were announced."
    : "It is the one that counts because it was announced last, though it has not beaten yet: heartbeats of older ones say nothing of it.";
  return [fact(heard)];
}

function duplicateFacts({ view, moment, beats }: ExplainFacts, others: readonly ProcessView[]) {
  if (!view.duplicate) return [];
  const rival = others
    .filter(({ lastHeartbeatAt }) => lastHeartbeatAt !== null)
    .toSorted((a, b) => (b.lastHeartbeatAt ?? 0) - (a.lastHeartbeatAt ?? 0))[0];
  if (rival === undefined) return [fact("Two live processes beat for it.", "bad")];
  const beat = beats?.findLast(
    ({ heartbeat }) => heartbeat.pid === rival.pid && heartbeat.host === rival.host,
  );
  const evidence: Evidence | null = beat === undefined ? null : evidenceOf(beat);
  const age = spanText(moment.now - (rival.lastHeartbeatAt ?? moment.now));
  const text = `Two live processes beat for it: ${processText(rival)} beat ${age} ago as well. One of them should not run.`;
  return [fact(text, "bad", evidence)];
}

function evidenceOf({ stream, seq, time }: Evidence): Evidence {
  return { stream, seq, time };
}

function otherFact(process: ProcessView, now: number): Fact {
  const started = process.startedAt === 0 ? "" : `, started ${clock(process.startedAt, now)}`;
  const heard =
    process.lastHeartbeatAt === null
      ? "it never beat"
      : `it last beat ${spanText(now - process.lastHeartbeatAt)} ago`;
  return fact(`Another: ${processText(process)}${started}, ${endText(process, now)}; ${heard}.`);
}

/** `exited with code 1 at 03:12:07`, or its state where it has not ended. */
export function endText({ state, exitCode, signal, endedAt }: EndOfProcess, now: number): string {
  const at = endedAt === null ? "" : ` at ${clock(endedAt, now)}`;
  switch (state) {
    case "exited":
      return exitCode === null ? `ended${at}` : `exited with code ${exitCode}${at}`;
    case "killed":
      return `was ended by ${signal ?? "a signal"}${at}`;
    case "lost":
      return `was lost${at}: it is gone, and nobody saw how it ended`;
    case "starting":
    case "running":
    case "stopping":
      return state;
  }
}

type EndOfProcess = Pick<ProcessView, "state" | "exitCode" | "signal" | "endedAt">;

/** Health is a second axis: what the runner says of itself while it can. */
export function healthFacts({ view, moment }: ExplainFacts): Fact[] {
  const { beat, figures } = view;
  if (beat === undefined || figures === undefined) {
    return [fact("Nothing is known of it: the current process has not beaten.")];
  }
  const health = healthOf(beat.health);
  const tone = health === "healthy" ? "good" : health === "degraded" ? "warn" : "bad";
  const source =
    beat.health === null
      ? "It says nothing of its health, which counts as healthy."
      : `It calls itself ${health}, in its newest heartbeat.`;
  const old = view.status.status === "online" ? [] : [fact("That is as old as that heartbeat.")];
  return [
    fact(source, tone),
    ...old,
    ...errorFacts(figures, moment.now),
    ...cameraFacts(figures.camera_state),
    ...checkFacts(figures.checks, figures.heavy_at, moment.now),
    ...throttleFacts(figures.resources),
  ];
}

type Figures = NonNullable<ExplainFacts["view"]["figures"]>;

function errorFacts({ last_error: error, last_error_at: at }: Figures, now: number): Fact[] {
  if (error !== "") return [fact(`Its error: ${error}`, "bad")];
  return at === null ? [] : [fact(`It had an error last ${whenText(at, now)}; none since.`)];
}

function cameraFacts(state: Figures["camera_state"]): Fact[] {
  if (state === null) return [];
  return [fact(`Its camera is ${state}.`, state === "healthy" ? "good" : "bad")];
}

function checkFacts(checks: string | null, heavyAt: number | null, now: number): Fact[] {
  const parsed = checks === null ? {} : (JSON.parse(checks) as Record<string, unknown>);
  const names = Object.keys(parsed);
  if (names.length === 0) return [];
  const failing = names.filter((name) => parsed[name] === false);
  const seen = heavyAt === null ? "" : ` (${spanText(now - heavyAt)} ago)`;
  if (failing.length === 0) {
    return [fact(`All ${plural(names.length, "check")} passed${seen}.`, "good")];
  }
  return [fact(`Failing checks: ${failing.join(", ")}${seen}.`, "bad")];
}

function throttleFacts(resources: string | null): Fact[] {
  const parsed = resources === null ? {} : (JSON.parse(resources) as Record<string, unknown>);
  if (parsed["throttled"] !== true) return [];
  const reason = parsed["throttle_reason"];
  const why = typeof reason === "string" && reason !== "" ? `: ${reason}` : "";
  return [fact(`It is throttled${why}.`, "warn")];
}
