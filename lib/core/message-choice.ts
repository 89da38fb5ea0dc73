/** Which messages of the streams are wanted, by runner, kind and type. */
import { matchesRunner } from "./runner-id.ts";
import type { RunnerId, RunnerKind } from "./runner-id.ts";
import { eventOfTokens, runnerOfTokens, subjectPrefix } from "./subject.ts";
import type { Prefixes, StreamKey } from "./subject.ts";

/** Whom a message is about and what it says, as far as its subject tells. */
export interface MessageAddress {
  /** Undefined for alerts and what is in quarantine, and where the subject is wrong. */
  readonly runner: RunnerId | undefined;
  /** An event's or alert's type, a quarantine's reason, else `heartbeat` or `snapshot`. */
  readonly type: string;
  /** Of an alert. */
  readonly severity: string | undefined;
}

/** An empty list stands for any. */
export interface MessageChoice {
  /** Patterns such as `camera/*\/hd`; see {@link matchesRunner}. */
  readonly runners: readonly string[];
  readonly kinds: readonly RunnerKind[];
  /** Types, `*` standing for any run of characters. */
  readonly types: readonly string[];
}

export const EVERY_MESSAGE: MessageChoice = { runners: [], kinds: [], types: [] };

/** Reads a subject of one of the streams. */
export function addressOf(key: StreamKey, subject: string, prefixes: Prefixes): MessageAddress {
  const tokens = subject.slice(subjectPrefix(prefixes, key).length);
  const none = { runner: undefined, severity: undefined };
  switch (key) {
    case "heartbeats":
      return { ...none, runner: runnerOfTokens(tokens), type: "heartbeat" };
    case "snapshots":
      return { ...none, runner: runnerOfTokens(tokens), type: "snapshot" };
    case "events":
      return { ...none, type: lastToken(tokens), ...eventOfTokens(tokens) };
    case "alerts": {
      const [severity, ...type] = tokens.split(".");
      return { ...none, severity, type: type.join(".") };
    }
    case "quarantine":
      return { ...none, type: tokens };
  }
}

function lastToken(tokens: string): string {
  return tokens.slice(tokens.lastIndexOf(".") + 1);
}

/** Whether a choice leaves out messages that are about no runner. */
export function asksForRunners({ runners, kinds }: MessageChoice): boolean {
  return runners.length > 0 || kinds.length > 0;
}

export function isChosen(choice: MessageChoice, { runner, type }: MessageAddress): boolean {
  if (!isTypeChosen(choice, type)) return false;
  return !asksForRunners(choice) || (runner !== undefined && isRunnerChosen(choice, runner));
}

export function isTypeChosen({ types }: MessageChoice, type: string): boolean {
  return types.length === 0 || types.some((pattern) => matchesText(pattern, type));
}

export function isRunnerChosen({ runners, kinds }: MessageChoice, runner: RunnerId): boolean {
  if (kinds.length > 0 && !kinds.some((kind) => runner.startsWith(`${kind}/`))) return false;
  return runners.length === 0 || runners.some((pattern) => matchesRunner(pattern, runner));
}

function matchesText(pattern: string, text: string): boolean {
  if (!pattern.includes("*")) return pattern === text;
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop() ?? "";
  if (!text.startsWith(first) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** A server that is given more subjects to look for is slower than the reader that drops the rest. */
const MAX_SUBJECTS = 64;

/**
 * The subjects that the server is asked for: no fewer than are chosen, maybe more, and none that
 * overlaps another, which servers refuse. Undefined: all of the stream; an empty list: none.
 */
export function chosenSubjects(
  key: StreamKey,
  choice: MessageChoice,
  prefixes: Prefixes,
): string[] | undefined {
  const prefix = subjectPrefix(prefixes, key);
  switch (key) {
    case "heartbeats":
    case "snapshots": {
      const type = key === "heartbeats" ? "heartbeat" : "snapshot";
      if (!isTypeChosen(choice, type)) return [];
      if (!asksForRunners(choice)) return undefined;
      return tidy(runnerTokens(choice).map((tokens) => prefix + tokens));
    }
    case "events": {
      if (!asksForRunners(choice) && choice.types.length === 0) return undefined;
      const types = choice.types.length === 0 ? ["*"] : choice.types.map(wordOrAny);
      const runners = runnerTokens(choice);
      return tidy(runners.flatMap((tokens) => types.map((type) => `${prefix}${tokens}.${type}`)));
    }
    case "alerts":
    case "quarantine":
      return undefined;
  }
}

function wordOrAny(word: string): string {
  return word.includes("*") ? "*" : word;
}

/** `kind.name.profile`, a `*` where more than one word fits. */
function runnerTokens({ runners, kinds }: MessageChoice): string[] {
  const patterns = runners.length === 0 ? ["*/*/*"] : runners;
  return patterns.flatMap((pattern) => {
    const [kind = "*", name = "*", profile = "*"] = pattern.split("/").map(wordOrAny);
    const fitting = kinds.filter((other) => kind === "*" || kind === other);
    return (kinds.length === 0 ? [kind] : fitting).map((word) => `${word}.${name}.${profile}`);
  });
}

function tidy(subjects: readonly string[]): string[] | undefined {
  const distinct = [...new Set(subjects)];
  if (distinct.length > MAX_SUBJECTS) return undefined;
  const kept = distinct.filter(
    (subject) => !distinct.some((other) => other !== subject && covers(other, subject)),
  );
  const overlap = kept.some((one, at) => kept.slice(at + 1).some((other) => meet(one, other)));
  return overlap ? undefined : kept;
}

/** Every subject of `inner` is one of `outer`. Both have as many words. */
function covers(outer: string, inner: string): boolean {
  const words = inner.split(".");
  return outer.split(".").every((word, at) => word === "*" || word === words[at]);
}

/** Some subject is one of both. Both have as many words. */
function meet(one: string, other: string): boolean {
  const words = other.split(".");
  return one
    .split(".")
    .every((word, at) => word === "*" || words[at] === "*" || word === words[at]);
}
