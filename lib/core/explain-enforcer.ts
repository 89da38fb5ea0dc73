/** What the enforcer may do about a runner, what it did last, and what it does next. */
import type { Action } from "./decide-action.ts";
import { eventFact } from "./explain-events.ts";
import { clock, plural, secondsText, spanText, whenText } from "./explain-text.ts";
import { fact } from "./explanation.ts";
import type { ExplainFacts, Fact, FleetRules, NextStep } from "./explanation.ts";
import type { Fleet, FleetEntry } from "./fleet.ts";
import { foresee } from "./foresee.ts";
import type { Foreseen } from "./foresee.ts";
import type { BeatsSeen, Observed, RunSeen } from "./observed.ts";
import type { RunnerView } from "./read-models.ts";
import { listDenial, restartDenial, restartSettings } from "./restart-policy.ts";
import type { RestartSettings } from "./restart-policy.ts";
import { statusOf, thresholdScale } from "./status.ts";
import { supposedMemory, supposedRunner } from "./supposed-memory.ts";

/** Nothing is foretold beyond that. */
const HORIZON_MS = 2 * 3_600_000;
const MARGIN_MS = 600_000;
/** Decisions that are shown again beside what comes next. */
const DECISIONS = [
  "restart_scheduled",
  "restart_exhausted",
  "restart_denied",
  "restart_reset",
  "limit_exceeded",
  "runner_restart_requested",
];

/** A runner that some enforcer of the fleet file looks after. */
interface Supervised {
  readonly fleet: Fleet;
  readonly entry: FleetEntry;
  readonly rules: FleetRules;
  readonly restart: RestartSettings;
}

function supervised({ rules, runner }: ExplainFacts): Supervised | undefined {
  const entry = rules?.fleet?.runners.get(runner);
  if (rules?.fleet === undefined || entry === undefined) return undefined;
  const restart = restartSettings(rules.settings.restart, entry.restart);
  return { fleet: rules.fleet, entry, rules, restart };
}

/** The rules of restarting as they are for this runner, and its count. */
export function restartFacts(facts: ExplainFacts): Fact[] {
  const found = supervised(facts);
  if (found === undefined) return [countFact(facts, undefined), unlistedFact(facts)];
  const { restart, fleet, entry } = found;
  if (entry.driver.kind === "external") {
    return [fact("The fleet file only has it watched (external): nobody here restarts it.")];
  }
  const waits = restart.backoffSec.map((sec) => `${sec}`).join(", ");
  const policy =
    `After an end that should not be, or ${found.rules.settings.missThreshold} missed checks (one every ${secondsText(found.rules.settings.checkEverySec)}), ` +
    `it is started again after ${waits} s, at most ${plural(restart.maxAttempts, "time")} in a row; then comes a cooldown of ${spanText(restart.cooldownSec * 1_000)}. ` +
    `A run of ${spanText(restart.stableSec * 1_000)} makes up for it.`;
  return [
    countFact(facts, restart),
    ...cooldownFacts(facts),
    permissionFact(fleet, restart, entry),
    fact(policy),
    ...limitFacts(entry),
  ];
}

function countFact({ view }: ExplainFacts, restart: RestartSettings | undefined): Fact {
  const count = view.restart?.attempt_count ?? 0;
  const of = restart === undefined ? "" : ` of ${restart.maxAttempts}`;
  const total = earlierText(view);
  if (count === 0) return fact(`No failure counts against it.${total}`, "good");
  const reason = view.restart?.last_failure_reason ?? null;
  const why = reason === null ? "" : `; the last reason: ${reason}`;
  return fact(`${count}${of} restarts in a row are used${why}.${total}`, "warn");
}

function earlierText({ current, restarts }: RunnerView): string {
  if (current?.announced === undefined) return "";
  if (restarts === 0) return " It was never started before.";
  return restarts === 1 ? " It had one process before." : ` It had ${restarts} processes before.`;
}

function cooldownFacts({ view, moment }: ExplainFacts): Fact[] {
  const until = view.restart?.cooldown_until ?? null;
  if (until === null) return [];
  const text = until > moment.now ? "It is in its cooldown, which ends" : "Its cooldown ended";
  return [fact(`${text} ${whenText(until, moment.now)}.`, "warn")];
}

function permissionFact(fleet: Fleet, restart: RestartSettings, { runner }: FleetEntry): Fact {
  const listed = listDenial(fleet, runner);
  if (listed !== undefined) {
    return fact(`It is ${listed}: it is started, never restarted, and told of.`, "warn");
  }
  const denial = restartDenial(fleet, restart, runner);
  if (denial !== undefined) return fact(`It is not restarted: ${denial}.`, "warn");
  const why = fleet.restartAllow === undefined ? "there is no allow list" : "the allow list has it";
  return fact(`It may be restarted: ${why}, and the deny list has it not.`);
}

function limitFacts({ limits }: FleetEntry): Fact[] {
  if (limits === undefined) return [];
  const named = [
    limits.memoryMb === undefined ? [] : [`${limits.memoryMb} MB of memory`],
    limits.cpuPercent === undefined ? [] : [`${limits.cpuPercent} % of a processor`],
    limits.vramMb === undefined ? [] : [`${limits.vramMb} MB of VRAM`],
  ].flat();
  if (named.length === 0) return [];
  const text = `It is restarted as well when it uses more than ${named.join(" or ")} for ${secondsText(limits.forSec)} without a pause.`;
  return [fact(text)];
}

function unlistedFact({ rules, view }: ExplainFacts): Fact {
  if (rules?.fleet === undefined) {
    return fact("Who restarts it is not known here: no fleet file is set (RUNBEAT_FLEET).");
  }
  const announced = view.current?.announced !== undefined;
  const more = announced ? "; an enforcer with another fleet file may" : "";
  return fact(`The fleet file does not name it: no enforcer of this file restarts it${more}.`);
}

/** What it does next. Undefined where nothing can be said. */
export function nextStep(facts: ExplainFacts): NextStep | null {
  const found = supervised(facts);
  if (found === undefined || found.entry.driver.kind === "external") return null;
  if (facts.enforcer?.status !== "online") return null;
  const foreseen = foreseenOf(facts, found, isSilent(facts.view));
  return foreseen === undefined ? null : { at: foreseen.at, text: deedText(foreseen, found) };
}

/** What it decided, what it does next, and what it would do if the runner fell silent now. */
export function enforcerFacts(facts: ExplainFacts, next: NextStep | null): Fact[] {
  const found = supervised(facts);
  const decided = facts.deeds.findLast(({ type }) => DECISIONS.includes(type));
  const last =
    decided === undefined
      ? []
      : [prefixed("Decided last: ", eventFact(decided, facts.eventStream))];
  if (found === undefined || found.entry.driver.kind === "external") {
    return last.length > 0 ? last : [fact("No enforcer has anything to do with it.")];
  }
  return [...last, ...presenceFacts(facts), ...comingFacts(facts, found, next)];
}

function prefixed(text: string, of: Fact): Fact {
  return { ...of, text: text + of.text };
}

function presenceFacts({ enforcer }: ExplainFacts): Fact[] {
  if (enforcer === undefined || enforcer.status === "online") return [];
  if (enforcer.status === "unknown") {
    const text = `Whether the enforcer of its host (${enforcer.runner}) runs can't be told at present.`;
    return [fact(text, "warn")];
  }
  const is = enforcer.status === undefined ? "was never heard of" : `is ${enforcer.status}`;
  const text = `The enforcer of its host (${enforcer.runner}) ${is}: until one runs there, nothing is started or restarted.`;
  return [fact(text, "bad")];
}

function comingFacts(facts: ExplainFacts, found: Supervised, next: NextStep | null): Fact[] {
  const { view, moment, enforcer } = facts;
  if (enforcer?.status !== "online") return [];
  const still = quietFacts(facts, found);
  if (next !== null)
    return [...still, fact(`Next: ${next.text} ${timing(next.at, facts, found)}.`)];
  if (view.status.status !== "online" && view.status.status !== "starting") {
    return [...still, fact("Nothing is planned: it is left as it is.")];
  }
  const silent = foreseenOf(facts, found, true);
  if (silent === undefined) return [...still, fact("Nothing is to be done: it runs.", "good")];
  const away = `${spanText(silent.at - moment.now)} from now at the latest`;
  return [
    ...still,
    fact("Nothing is to be done: it runs.", "good"),
    fact(`If it fell silent now: ${deedText(silent, found)}, ${away}.`),
  ];
}

/** Why silence is not held against it at present. */
function quietFacts(facts: ExplainFacts, found: Supervised): Fact[] {
  const { view, moment } = facts;
  const told: Fact[] = [];
  if (view.restart?.paused === 1)
    told.push(fact("It is paused: until it is resumed it is left alone.", "warn"));
  const grace = graceUntil(facts, found);
  if (grace > moment.now && view.status.cause !== "ended") {
    const text = `Runbeat could not see until lately: no silence is held against it before ${clock(grace, moment.now)}.`;
    told.push(fact(text, "warn"));
  }
  const { memory } = found.rules;
  const hush = memory?.hush?.members.includes(facts.runner) === true ? memory.hush : undefined;
  if (hush !== undefined) {
    const text = `It fell silent together with others (${plural(hush.members.length, "runner")} at ${clock(hush.from, moment.now)}): that is one trouble, and none of them is restarted for it.`;
    told.push(fact(text, "warn"));
  }
  return told;
}

function timing(at: number, { moment }: ExplainFacts, { rules }: Supervised): string {
  const within = secondsText(rules.settings.checkEverySec);
  if (at <= moment.now) return `at its next look, within ${within}`;
  return whenText(at, moment.now);
}

/** Whether it is already silent, so that going on as it is means silence. */
function isSilent({ status }: RunnerView): boolean {
  return status.status !== "online";
}

function foreseenOf(
  facts: ExplainFacts,
  found: Supervised,
  isQuiet: boolean,
): Foreseen | undefined {
  const { runner, moment, view } = facts;
  const { fleet, entry, rules, restart } = found;
  const run = runSeen(facts);
  const memory = memoryOf(facts, found, run);
  const since = memory.runners[runner]?.run?.since;
  const lives: RunSeen = run.kind === "running" && since !== undefined ? { ...run, since } : run;
  const scale = thresholdScale(view.liveness.intervalSec, view.thresholds);
  const silenceMs = view.thresholds.offlineSec * scale * 1_000;
  const planned = Math.max(restart.cooldownSec, restart.stableSec) * 1_000;
  return foresee({
    // Of this runner alone: the others are not looked at, however many there are.
    fleet: { ...fleet, runners: new Map([[runner, entry]]) },
    settings: rules.settings,
    runner,
    memory,
    until: moment.now + Math.min(HORIZON_MS, planned + silenceMs + MARGIN_MS),
    seenAt: (time) => seenAt(facts, lives, time, isQuiet),
  });
}

/** As its enforcer keeps it, or as its events tell. Begins where its silence began to count. */
function memoryOf(facts: ExplainFacts, found: Supervised, run: RunSeen) {
  const { runner, moment, view, deeds } = facts;
  const { rules, entry } = found;
  const kept = rules.memory;
  const mine = kept?.runners[runner];
  if (kept !== undefined && mine !== undefined && moment.now - kept.at < HORIZON_MS) {
    // A hush of others is none of its own.
    const hush = kept.hush?.members.includes(runner) === true ? kept.hush : null;
    return { ...kept, hush, runners: { [runner]: mine } };
  }
  const own = supposedRunner(entry.driver.kind, deeds);
  if (run.kind === "running") own.run ??= { since: run.since, from: run.since };
  else own.run = null;
  // An end that nobody decided on yet is decided on at the next look.
  const lastAt = view.liveness.lastHeartbeatAt ?? view.liveness.spawnedAt ?? moment.now;
  const isCounting = run.kind === "running" && isSilent(view);
  const from = isCounting ? Math.min(moment.now, lastAt) : moment.now;
  const memory = supposedMemory(runner, own, from);
  memory.graceUntil = graceUntil(facts, found);
  return memory;
}

function graceUntil({ moment }: ExplainFacts, { rules }: Supervised): number {
  if (rules.memory !== undefined) return rules.memory.graceUntil;
  const sightedAt = moment.view.lastBlind?.to;
  return sightedAt === undefined ? 0 : sightedAt + rules.settings.outageGraceSec * 1_000;
}

function runSeen({ view: { current, liveness } }: ExplainFacts): RunSeen {
  if (current === undefined) return { kind: "none" };
  switch (current.state) {
    case "exited":
    case "killed":
    case "lost":
      return { kind: "none" };
    case "stopping":
      return { kind: "stopping", since: liveness.spawnedAt ?? 0 };
    case "starting":
    case "running": {
      const since = liveness.spawnedAt ?? liveness.beatingSince ?? current.startedAt;
      return { kind: "running", since, pid: current.pid };
    }
  }
}

function seenAt(facts: ExplainFacts, run: RunSeen, time: number, isQuiet: boolean): Observed {
  const { runner, moment, view } = facts;
  const { blindSince, lastBlind } = moment.view;
  const { status } = isQuiet
    ? statusOf(view.liveness, time, view.thresholds, moment.view)
    : view.status;
  const beats: BeatsSeen = { status, lastAt: view.liveness.lastHeartbeatAt, ...figuresOf(view) };
  return {
    runners: new Map([[runner, { run, beats }]]),
    blindSince,
    sightedAt: lastBlind?.to ?? null,
  };
}

function figuresOf({ figures }: RunnerView) {
  const resources = JSON.parse(figures?.resources ?? "{}") as Record<string, unknown>;
  const figure = (name: string): number | null => {
    const value = resources[name];
    return typeof value === "number" ? value : null;
  };
  return {
    memoryMb: figure("memory_mb"),
    cpuPercent: figure("cpu_percent"),
    vramMb: figure("vram_mb"),
  };
}

/** What is done at one look, as half a sentence. */
function deedText({ actions }: Foreseen, { restart }: Supervised): string {
  const isStopped = actions.some(({ kind }) => kind === "stop");
  const texts = actions.flatMap((action) => oneDeed(action, restart, isStopped));
  return texts.join(", and ");
}

function oneDeed(action: Action, { maxAttempts }: RestartSettings, isStopped: boolean): string[] {
  switch (action.kind) {
    case "start":
      return action.attempt === 0
        ? ["it is started"]
        : [`it is started (restart ${action.attempt} of ${maxAttempts})`];
    case "stop":
      return [`it is ended (${action.reason})`];
    case "event":
      return eventDeed(action, maxAttempts, isStopped);
    case "settle":
    case "note":
      return [];
  }
}

function eventDeed(
  action: Extract<Action, { kind: "event" }>,
  maxAttempts: number,
  isStopped: boolean,
): string[] {
  if (action.type === "restart_scheduled") {
    const { attempt, delay_sec: delaySec, reason } = action.data;
    const wait = delaySec === 0 ? "at once" : `after ${secondsText(delaySec)}`;
    // The reason stands with the end that it has.
    const why = isStopped ? "" : ` (${reason})`;
    return [`restart ${attempt} of ${maxAttempts} is planned ${wait}${why}`];
  }
  if (action.type === "restart_exhausted") {
    return [`its restarts are used up and its cooldown begins (${action.data.reason})`];
  }
  if (action.type === "restart_denied") {
    return [`it is only told of, not restarted (${action.data.why})`];
  }
  if (action.type === "restart_reset") {
    return [`its failures are forgotten (${action.data.reason ?? "no reason given"})`];
  }
  return action.type === "limit_exceeded" ? [`it is above its limit of ${action.data.limit}`] : [];
}
