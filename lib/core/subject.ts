import { isRunnerKind, isToken } from "./runner-id.ts";
import type { RunnerId } from "./runner-id.ts";

/** The two prefixes that let several installations share one NATS. */
export interface Prefixes {
  /** Of subjects, `runbeat` unless configured. */
  readonly subject: string;
  /** Of streams, `RUNBEAT` unless configured. */
  readonly stream: string;
}

export const DEFAULT_PREFIXES: Prefixes = { subject: "runbeat", stream: "RUNBEAT" };

export const STREAM_KEYS = ["heartbeats", "snapshots", "events", "alerts", "quarantine"] as const;
export type StreamKey = (typeof STREAM_KEYS)[number];

/** The stream's name on the server, e.g. `RUNBEAT_HEARTBEATS`. */
export function streamName(prefixes: Prefixes, key: StreamKey): string {
  return `${prefixes.stream}_${key.toUpperCase()}`;
}

const SUBJECT_WORDS: Record<StreamKey, string> = {
  heartbeats: "hb",
  snapshots: "snap",
  events: "ev",
  alerts: "alert",
  quarantine: "quarantine",
};

/** What a stream's subjects begin with, dot included, e.g. `runbeat.hb.`. */
export function subjectPrefix(prefixes: Prefixes, key: StreamKey): string {
  return `${prefixes.subject}.${SUBJECT_WORDS[key]}.`;
}

export function heartbeatSubject(prefixes: Prefixes, id: RunnerId): string {
  return subjectPrefix(prefixes, "heartbeats") + id.replaceAll("/", ".");
}

export function snapshotSubject(prefixes: Prefixes, id: RunnerId): string {
  return subjectPrefix(prefixes, "snapshots") + id.replaceAll("/", ".");
}

export function eventSubject(prefixes: Prefixes, id: RunnerId, type: string): string {
  return `${subjectPrefix(prefixes, "events")}${id.replaceAll("/", ".")}.${type}`;
}

export function quarantineSubject(prefixes: Prefixes, reason: string): string {
  return subjectPrefix(prefixes, "quarantine") + reason;
}

/** `kind.name.profile` → the runner; undefined when a token is not allowed. */
export function runnerOfTokens(tokens: string): RunnerId | undefined {
  const [kind, name, profile, ...rest] = tokens.split(".");
  if (kind === undefined || name === undefined || profile === undefined) return undefined;
  if (rest.length > 0 || !isRunnerKind(kind) || !isToken(name) || !isToken(profile)) {
    return undefined;
  }
  return `${kind}/${name}/${profile}` as RunnerId;
}

/** `kind.name.profile.type` → runner and type; undefined when a token is not allowed. */
export function eventOfTokens(tokens: string): { runner: RunnerId; type: string } | undefined {
  const dot = tokens.lastIndexOf(".");
  if (dot < 0) return undefined;
  const runner = runnerOfTokens(tokens.slice(0, dot));
  const type = tokens.slice(dot + 1);
  return runner !== undefined && isToken(type) ? { runner, type } : undefined;
}

/** `runbeat.ctl.<kind>.<name>.<profile>`: the enforcer that has the runner listens there. */
export function orderSubject({ subject }: Prefixes, runner: RunnerId): string {
  return `${subject}.ctl.${runner.replaceAll("/", ".")}`;
}
