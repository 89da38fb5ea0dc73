/** Which messages of a stream are about a runner. */
import { QUARANTINE_HEADERS, RESOLVED_WORD, parseResolution } from "../core/quarantine.ts";
import { matchesRunner } from "../core/runner-id.ts";
import {
  eventOfTokens,
  quarantineSubject,
  runnerOfTokens,
  subjectPrefix,
} from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import type { ExportedMessage } from "./export-format.ts";

export interface RunnerFilter {
  /** What the server is asked for; undefined: everything. */
  readonly subjects: readonly string[] | undefined;
  /** Called for the messages in their order. */
  readonly takes: (message: ExportedMessage) => boolean;
}

/** @param pattern as {@link matchesRunner} takes it. */
export function runnerFilter(prefixes: Prefixes, key: StreamKey, pattern: string): RunnerFilter {
  const prefix = subjectPrefix(prefixes, key);
  switch (key) {
    case "heartbeats":
    case "snapshots":
    case "events":
      return {
        subjects: [prefix + tokensOf(pattern, key)],
        takes: ({ subject }) => isOfSubject(pattern, subject.slice(prefix.length)),
      };
    case "alerts":
      return { subjects: undefined, takes: ({ data }) => mentions(data, pattern) };
    case "quarantine":
      return { subjects: undefined, takes: quarantineFilter(prefixes, pattern) };
  }
}

/** As near as subjects can say it: a part with a star in it is any token. */
function tokensOf(pattern: string, key: StreamKey): string {
  const tokens = pattern.split("/").map((part) => (part.includes("*") ? "*" : part));
  if (tokens.length < 3) return [...tokens, ">"].join(".");
  return [...tokens, ...(key === "events" ? ["*"] : [])].join(".");
}

function isOfSubject(pattern: string, tokens: string): boolean {
  const id = runnerOfTokens(tokens) ?? eventOfTokens(tokens)?.runner;
  return id !== undefined && matchesRunner(pattern, id);
}

const RUNNER = /"([a-z]+\/[A-Za-z0-9_-]{1,64}\/[A-Za-z0-9_-]{1,64})"/g;

/** An alert names its runners as texts of their own. */
function mentions(data: Uint8Array, pattern: string): boolean {
  const text = Buffer.from(data).toString("utf8");
  return [...text.matchAll(RUNNER)].some(([, id = ""]) =>
    isOfSubject(pattern, id.replaceAll("/", ".")),
  );
}

/** Rejected messages from the runner's subjects, and what became of those. */
function quarantineFilter(prefixes: Prefixes, pattern: string): RunnerFilter["takes"] {
  const taken = new Set<number>();
  const resolved = quarantineSubject(prefixes, RESOLVED_WORD);
  const sources = [subjectPrefix(prefixes, "heartbeats"), subjectPrefix(prefixes, "events")];
  return ({ subject, headers, seq, data }) => {
    if (subject === resolved) return taken.has(parseResolution(data)?.seq ?? 0);
    const [, from = ""] = headers.find(([name]) => name === QUARANTINE_HEADERS.subject) ?? [];
    const source = sources.find((prefix) => from.startsWith(prefix));
    if (source === undefined || !isOfSubject(pattern, from.slice(source.length))) return false;
    taken.add(seq);
    return true;
  };
}
