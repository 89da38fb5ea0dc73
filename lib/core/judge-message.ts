/** Which messages of a stream can't be folded, and why. The projector leaves out the same ones. */
import { decodeHeartbeat } from "./decode-heartbeat.ts";
import { decodeEvent } from "./event.ts";
import type { Rejection } from "./heartbeat.ts";
import { RUNNER_KINDS } from "./runner-id.ts";
import { eventOfTokens, runnerOfTokens, subjectPrefix } from "./subject.ts";
import type { Prefixes, StreamKey } from "./subject.ts";

/** The streams that others publish to, whose messages are judged. */
export const SOURCE_KEYS = ["heartbeats", "events"] as const satisfies readonly StreamKey[];
export type SourceKey = (typeof SOURCE_KEYS)[number];

/** Undefined for a message that is good. */
export type Judge = (message: {
  readonly subject: string;
  readonly data: Uint8Array;
}) => Rejection | undefined;

/** Subjects can be long; this much of one is repeated in an explanation. */
const MAX_SHOWN_CHARS = 200;

export function badSubject(subject: string, prefix: string, form: string): Rejection {
  return {
    reason: "bad_subject",
    message:
      `the subject is ${JSON.stringify(subject.slice(0, MAX_SHOWN_CHARS))}, but must be ${prefix}${form} ` +
      `with kind one of ${RUNNER_KINDS.join(", ")} and the other words of 1-64 characters A-Z a-z 0-9 _ -`,
  };
}

export const HEARTBEAT_FORM = "<kind>.<name>.<profile>";
const EVENT_FORM = "<kind>.<name>.<profile>.<type>";

export function judgeOf(source: SourceKey, prefixes: Prefixes): Judge {
  const prefix = subjectPrefix(prefixes, source);
  switch (source) {
    case "heartbeats":
      return ({ subject, data }) => {
        const runner = runnerOfTokens(subject.slice(prefix.length));
        if (runner === undefined) return badSubject(subject, prefix, HEARTBEAT_FORM);
        const decoded = decodeHeartbeat(runner, data);
        return decoded.ok ? undefined : decoded.rejection;
      };
    case "events":
      return ({ subject, data }) => {
        const address = eventOfTokens(subject.slice(prefix.length));
        if (address === undefined) return badSubject(subject, prefix, EVENT_FORM);
        const decoded = decodeEvent(address.type, data);
        return decoded.ok ? undefined : decoded.rejection;
      };
  }
}
