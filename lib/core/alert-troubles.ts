/** What is wrong with the fleet at one moment, by rule; pure. */
import type { AlertType } from "./alert.ts";
import type { AlertRules } from "./alert-rules.ts";
import { fellSilentTogether } from "./alert-hush.ts";
import type { Health } from "./heartbeat.ts";
import type { StatusAnswer } from "./status.ts";

/** One member's part in what may become an alert. */
export interface Trouble {
  readonly type: AlertType;
  /** Troubles of one type that have this in common are one alert: host, kind and cause. */
  readonly about: readonly string[];
  readonly member: string;
  /** Where the member runs, for silences of a host. */
  readonly host?: string | undefined;
  /** Epoch ms; null: since it was first seen. */
  readonly since: number | null;
  readonly detail: string;
}

/** How one runner is; neither retired nor paused. */
export interface RunnerCondition {
  readonly runner: string;
  readonly kind: string;
  readonly host: string;
  readonly status: StatusAnswer;
  readonly health: Health | null;
  readonly lastHeartbeatAt: number | null;
  readonly intervalSec: number;
  /** How its process ended; null while it runs. */
  readonly exit: { readonly code: number | null; readonly signal: string | null } | null;
  readonly isDeclared: boolean;
  readonly cooldownUntil: number | null;
  readonly lastFailure: string | null;
  /** Why it may not be restarted, where the enforcer said so. */
  readonly denied: string | null;
  /** The runner's clock minus the stream's, ms. */
  readonly skewMs: number;
  /** How often it fell from online within the time for flapping. */
  readonly falls: number;
}

export interface TroubleSettings {
  readonly rules: AlertRules;
  /** When so large a part of those that beat, and so many, fall silent at once, it is one trouble. */
  readonly hushShare: number;
  readonly hushMin: number;
}

/** Whoever is ended by these was ended on purpose. */
const ORDERLY_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"];
const CAUSES: Readonly<Record<string, string>> = {
  silence: "no heartbeat",
  ended: "the process ended",
  no_heartbeat: "started, but never beat",
  never_seen: "never heard of",
};

/** Every trouble of the runners; what one trouble explains, another does not say again. */
export function runnerTroubles(
  runners: readonly RunnerCondition[],
  now: number,
  settings: TroubleSettings,
): readonly Trouble[] {
  const { rules } = settings;
  const hushed = rules.mass_silence.enabled ? hushOf(runners, settings) : [];
  const explained = new Set(hushed.map(({ member }) => member));
  const down = rules.host_down.enabled
    ? hostsDown(
        runners.filter(({ runner }) => !explained.has(runner)),
        rules.host_down.limit ?? 2,
      )
    : [];
  for (const { member } of down) explained.add(member);
  const own = runners.flatMap((runner) => ownTroubles(runner, now, rules, explained));
  return [...hushed, ...down, ...own];
}

function hushOf(
  runners: readonly RunnerCondition[],
  { hushShare, hushMin }: TroubleSettings,
): readonly Trouble[] {
  const silent = runners.filter(isSilent);
  const online = runners.filter(({ status }) => status.status === "online").length;
  const together = fellSilentTogether(silent);
  const needed = Math.max(hushMin, Math.ceil((online + together.length) * hushShare));
  if (together.length < needed || isOneHost(together, runners)) return [];
  return together.map((runner) => ({
    type: "mass_silence",
    about: [],
    member: runner.runner,
    host: runner.host,
    since: runner.lastHeartbeatAt,
    detail: CAUSES["silence"] ?? "",
  }));
}

/** All of one host, and all that there is of it: then it is the host. */
function isOneHost(
  together: readonly RunnerCondition[],
  runners: readonly RunnerCondition[],
): boolean {
  const host = together[0]?.host ?? "";
  if (host === "" || together.some((runner) => runner.host !== host)) return false;
  return runners.filter((runner) => runner.host === host).length === together.length;
}

function isSilent({ status: { status, cause }, lastHeartbeatAt }: RunnerCondition): boolean {
  const isQuiet = status === "stale" || status === "missing" || status === "offline";
  return isQuiet && cause === "silence" && lastHeartbeatAt !== null;
}

function isGone({ status: { status, cause } }: RunnerCondition): boolean {
  return status === "missing" || (status === "offline" && cause !== "never_seen");
}

/** Hosts of which nothing is heard any more. Who ended in an orderly way says nothing of its host. */
function hostsDown(runners: readonly RunnerCondition[], min: number): readonly Trouble[] {
  const byHost = grouped(
    runners.filter((runner) => runner.host !== "" && !endedOnPurpose(runner)),
    ({ host }) => host,
  );
  return [...byHost].flatMap(([host, all]) => {
    if (all.length < min || !all.every(isGone) || !all.some(isSilent)) return [];
    return all.map((runner) => ({
      type: "host_down" as const,
      about: [host],
      member: runner.runner,
      host,
      since: runner.status.since,
      detail: causeText(runner),
    }));
  });
}

/** Items by what they have in common. */
export function grouped<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function endedOnPurpose({ exit, isDeclared, status }: RunnerCondition): boolean {
  if (isDeclared || status.cause !== "ended" || exit === null) return false;
  return exit.code === 0 || ORDERLY_SIGNALS.includes(exit.signal ?? "");
}

function ownTroubles(
  runner: RunnerCondition,
  now: number,
  rules: AlertRules,
  explained: ReadonlySet<string>,
): readonly Trouble[] {
  const { status, health, host, kind, falls, skewMs, cooldownUntil, denied } = runner;
  const found: Trouble[] = [];
  const add = (type: AlertType, about: string[], since: number | null, detail: string): void => {
    if (rules[type].enabled)
      found.push({ type, about, member: runner.runner, host, since, detail });
  };
  const isFlapping = falls >= (rules.runner_flapping.limit ?? Infinity);
  const isWell = status.status === "online";
  if (isFlapping) add("runner_flapping", [host, kind], null, `fell silent ${falls} times`);
  if (status.status === "offline" && !explained.has(runner.runner) && !isFlapping) {
    if (!endedOnPurpose(runner)) {
      add("runner_offline", [host, kind, status.cause], status.since, causeText(runner));
    }
  }
  if (isWell && health === "unhealthy") add("runner_unhealthy", [host, kind], null, "unhealthy");
  if (isWell && health === "degraded") add("runner_degraded", [host, kind], null, "degraded");
  if (cooldownUntil !== null && cooldownUntil > now && !isWell) {
    add("service_restart_failed", [host, kind], null, runner.lastFailure ?? "it failed again");
  }
  const isIll = isGone(runner) || health === "unhealthy";
  if (denied !== null && isIll) add("restart_denied", [host, kind], null, denied);
  if (isWell && Math.abs(skewMs) > (rules.clock_skew.limit ?? Infinity) * 1_000) {
    add("clock_skew", [host], null, `its clock is ${skewText(skewMs)}`);
  }
  return found;
}

function causeText({ status, exit }: RunnerCondition): string {
  if (status.cause === "ended" && exit !== null) {
    return exit.signal === null ? `exit code ${exit.code ?? "unknown"}` : `signal ${exit.signal}`;
  }
  return CAUSES[status.cause] ?? status.cause;
}

function skewText(skewMs: number): string {
  const seconds = (Math.abs(skewMs) / 1_000).toFixed(1);
  return `${seconds} s ${skewMs < 0 ? "behind" : "ahead"}`;
}

/** An alert in one sentence. */
export function titleOf(
  type: AlertType,
  about: readonly string[],
  members: readonly string[],
): string {
  const [first = "", kind = "", cause = ""] = about;
  const many = members.length !== 1;
  const who = many ? `${members.length} ${kind === "" ? "runner" : kind}s` : (members[0] ?? "");
  const on = first === "" ? "" : ` on ${first}`;
  const are = many ? "are" : "is";
  switch (type) {
    case "pipeline_down":
      return "NATS is out of reach: nothing can be told of any runner";
    case "mass_silence":
      return `${members.length} runners fell silent at the same moment: look at the network and NATS first`;
    case "host_down":
      return `Host ${first} is down: nothing is heard of its ${members.length} runners`;
    case "runner_offline":
      return `${who}${on} ${are} offline: ${CAUSES[cause] ?? cause}`;
    case "service_restart_failed":
      return `${who}${on} failed after every restart that is allowed`;
    case "restart_denied":
      return `${who}${on} ${are} unhealthy but in the deny list: nobody restarts ${many ? "them" : "it"}`;
    case "runner_unhealthy":
      return `${who}${on} ${many ? "say that they are" : "says that it is"} unhealthy`;
    case "runner_degraded":
      return `${who}${on} ${many ? "say that they are" : "says that it is"} degraded`;
    case "runner_flapping":
      return `${who}${on} ${many ? "keep" : "keeps"} falling silent and coming back`;
    case "clock_skew":
      return `The clock of ${first === "" ? "a host" : first} is wrong`;
    case "projection_behind":
      return "The read models are behind the streams: statuses are unknown";
    case "projection_stopped":
      return `${members.join(", ")} stands still: its fold failed`;
    case "verify_difference":
      return `The read models differ from the streams: ${members.join(", ")}`;
    case "disk_full":
      return `The disk of ${members.join(", ")} is nearly full`;
  }
}
