/** What the emitter reads before it begins: its positions, and what its streams hold already. */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { REJECT_REASONS } from "../core/heartbeat.ts";
import { SOURCE_KEYS } from "../core/judge-message.ts";
import type { SourceKey } from "../core/judge-message.ts";
import { quarantineSubject, runnerOfTokens, streamName, subjectPrefix } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import type { PulledMessage } from "../nats/pull-reader.ts";
import { readToEnd } from "../nats/read-to-end.ts";
import { sourceReference } from "./emitter-messages.ts";
import type { SourceReference } from "./emitter-messages.ts";
import type { SourcePosition } from "./emitter-position.ts";
import type { KnownReject } from "./emitter-rejects.ts";
import { SampledRunner } from "./emitter-snapshots.ts";
import { seqsToCheck } from "./emitter-start.ts";
import type { OutputNow, StreamNow } from "./emitter-start.ts";

export interface LoadContext {
  readonly nc: NatsConnection;
  /** For reading much, `nc` unless given. */
  readonly readingNc?: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
}

export async function describeStream(context: LoadContext, key: StreamKey): Promise<StreamNow> {
  const info: StreamInfo = await context.jsm.streams.info(streamName(context.prefixes, key));
  return {
    name: info.config.name,
    created: info.created,
    firstSeq: info.state.first_seq,
    lastSeq: info.state.last_seq,
  };
}

/** Stream times of the messages that a position names, as far as they are still there. */
export async function timesOf(
  { jsm }: LoadContext,
  stream: StreamNow,
  position: SourcePosition | undefined,
): Promise<Map<number, number>> {
  const times = new Map<number, number>();
  for (const seq of new Set(seqsToCheck(position))) {
    if (seq < Math.max(1, stream.firstSeq) || seq > stream.lastSeq) continue;
    const message = await jsm.streams.getMessage(stream.name, { seq });
    if (message !== null) times.set(seq, Math.floor(message.time.getTime()));
  }
  return times;
}

/** Up to where the source was done with when the last message of an output was published. */
export async function describeSnapshots(
  context: LoadContext,
  source: StreamNow,
): Promise<OutputNow> {
  const now = await describeStream(context, "snapshots");
  if (now.lastSeq < Math.max(1, now.firstSeq)) return { ...now, throughSeq: undefined };
  const message = await context.jsm.streams.getMessage(now.name, { seq: now.lastSeq });
  const reference = sourceReference(message?.header);
  return { ...now, throughSeq: isOf(source, reference) ? reference.throughSeq : undefined };
}

function isOf(
  source: StreamNow,
  reference: SourceReference | undefined,
): reference is SourceReference {
  return reference?.stream === source.name && reference.created === source.created;
}

/** The runners that have a snapshot, by the subject of their heartbeats. */
export async function loadRunners(
  context: LoadContext,
  heartbeats: StreamNow,
): Promise<Map<string, SampledRunner>> {
  const runners = new Map<string, SampledRunner>();
  const { prefixes } = context;
  const prefix = subjectPrefix(prefixes, "snapshots");
  const heartbeatPrefix = subjectPrefix(prefixes, "heartbeats");
  const take = (message: PulledMessage): void => {
    const tokens = message.subject.slice(prefix.length);
    const id = runnerOfTokens(tokens);
    if (id === undefined) return;
    const reference = sourceReference(message.headerLookup);
    const runner = new SampledRunner(id);
    runner.keptAt = reference?.timeMs ?? message.timeMs;
    runner.keptSeq = isOf(heartbeats, reference) ? reference.seq : 0;
    runner.storedSeq = message.seq;
    runners.set(heartbeatPrefix + tokens, runner);
  };
  const start = { lastPerSubject: true } as const;
  await readToEnd({ ...readingOptions(context, "snapshots"), start, onMessage: take });
  return runners;
}

/** What is in quarantine already of one source. */
export interface Quarantined {
  /** By sequence of the source, of those after the position. */
  readonly known: Map<number, KnownReject>;
  /** As in the last message of this source. */
  throughSeq: number | undefined;
}

/**
 * Reads the quarantine from `fromSeq` to its end.
 * @param after of each source, the sequence up to which nothing needs to be remembered.
 */
export async function loadQuarantined(
  context: LoadContext,
  fromSeq: number,
  sources: Readonly<Record<SourceKey, { readonly stream: StreamNow; readonly afterSeq: number }>>,
): Promise<Record<SourceKey, Quarantined>> {
  const found: Record<SourceKey, Quarantined> = {
    heartbeats: { known: new Map(), throughSeq: undefined },
    events: { known: new Map(), throughSeq: undefined },
  };
  const take = (message: PulledMessage): void => {
    const reference = sourceReference(message.headerLookup);
    for (const key of SOURCE_KEYS) {
      if (!isOf(sources[key].stream, reference)) continue;
      found[key].throughSeq = reference.throughSeq;
      if (reference.seq > sources[key].afterSeq) {
        found[key].known.set(reference.seq, {
          timeMs: reference.timeMs,
          storedSeq: message.seq,
        });
      }
    }
  };
  const filterSubjects = REJECT_REASONS.map((reason) =>
    quarantineSubject(context.prefixes, reason),
  );
  await readToEnd({
    ...readingOptions(context, "quarantine"),
    start: { fromSeq },
    filterSubjects,
    onMessage: take,
  });
  return found;
}

function readingOptions({ nc, readingNc, jsm, prefixes }: LoadContext, key: StreamKey) {
  const stream = streamName(prefixes, key);
  return { nc: readingNc ?? nc, jsm, stream, headersOnly: true };
}
