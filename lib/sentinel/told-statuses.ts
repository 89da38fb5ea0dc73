/** Which status was last told of each runner: the EVENTS stream itself is the memory of it. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { decodeEvent } from "../core/event.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { STATUSES } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import { eventOfTokens, eventSubject, streamName, subjectPrefix } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { readToEnd } from "../nats/read-to-end.ts";

export const TOLD_TYPE = "status_changed";

export interface Told {
  readonly status: Status;
  /** Of the message that told it; 0 where none has. */
  readonly seq: number;
}

interface ReadOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
}

/** Reads it for every runner: one message each, however long the history. */
export async function readTold({ nc, jsm, prefixes }: ReadOptions): Promise<Map<string, Told>> {
  const told = new Map<string, Told>();
  const prefix = subjectPrefix(prefixes, "events");
  await readToEnd({
    nc,
    jsm,
    stream: streamName(prefixes, "events"),
    start: { lastPerSubject: true },
    filterSubjects: [`${prefix}*.*.*.${TOLD_TYPE}`],
    onMessage: ({ subject, data, seq }) => {
      const address = eventOfTokens(subject.slice(prefix.length));
      if (address !== undefined) told.set(address.runner, { status: statusIn(data), seq });
    },
  });
  return told;
}

/** Reads it for one runner. */
export async function readToldOf(
  { jsm, prefixes }: ReadOptions,
  runner: RunnerId,
): Promise<Told | undefined> {
  const message = await jsm.direct.getMessage(streamName(prefixes, "events"), {
    last_by_subj: eventSubject(prefixes, runner, TOLD_TYPE),
  });
  return message === null ? undefined : { status: statusIn(message.data), seq: message.seq };
}

/** What can't be read counts as unknown: the next change then begins there. */
function statusIn(data: Uint8Array): Status {
  const decoded = decodeEvent(TOLD_TYPE, data);
  const to = decoded.ok ? decoded.event.data["to"] : undefined;
  return STATUSES.find((status) => status === to) ?? "unknown";
}
