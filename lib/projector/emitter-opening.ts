/** Finds out where to go on, from nothing but what NATS holds. */
import type { Logger } from "pino";
import type { SourceKey } from "../core/judge-message.ts";
import { describeSnapshots, describeStream, loadQuarantined, timesOf } from "./emitter-load.ts";
import type { LoadContext, Quarantined } from "./emitter-load.ts";
import type { PositionStore, StoredPosition } from "./emitter-position.ts";
import type { KnownReject } from "./emitter-rejects.ts";
import { startOfSource } from "./emitter-start.ts";
import type { OutputNow, SourceStart, StartFacts, StreamNow } from "./emitter-start.ts";

/** Where a source begins, with what is in quarantine of it already. */
export interface SourceOpening {
  readonly key: SourceKey;
  readonly stream: StreamNow;
  readonly stored: StoredPosition;
  readonly start: SourceStart;
  readonly known: ReadonlyMap<number, KnownReject>;
}

export interface Opening {
  readonly heartbeats: SourceOpening;
  readonly events: SourceOpening;
  readonly snapshots: StreamNow;
  readonly quarantine: StreamNow;
}

interface Found {
  readonly stored: StoredPosition;
  readonly stream: StreamNow;
  readonly times: ReadonlyMap<number, number>;
}

/** @throws when a stream is missing or NATS does not answer. */
export async function openSources(
  context: LoadContext,
  store: PositionStore,
  log: Pick<Logger, "warn">,
): Promise<Opening> {
  const heartbeats = await find(context, store, "heartbeats");
  const events = await find(context, store, "events");
  const snapshots = await describeSnapshots(context, heartbeats.stream);
  const quarantine = await describeStream(context, "quarantine");
  const quarantined = await readQuarantine(context, { heartbeats, events }, snapshots, quarantine);
  const open = (key: SourceKey, found: Found): SourceOpening => {
    const { known, throughSeq } = quarantined[key];
    const start = startOfSource(factsOf(found, snapshots, { ...quarantine, throughSeq }));
    for (const notice of start.notices) log.warn({ stream: found.stream.name }, notice);
    return { key, stream: found.stream, stored: found.stored, start, known };
  };
  return {
    heartbeats: open("heartbeats", heartbeats),
    events: open("events", events),
    snapshots,
    quarantine,
  };
}

async function find(context: LoadContext, store: PositionStore, key: SourceKey): Promise<Found> {
  const stream = await describeStream(context, key);
  const stored = await store.read(key);
  return { stored, stream, times: await timesOf(context, stream, stored.position) };
}

function factsOf(found: Found, snapshots: OutputNow, quarantine: OutputNow): StartFacts {
  return {
    position: found.stored.position,
    source: found.stream,
    snapshots,
    quarantine,
    timeAt: (seq) => found.times.get(seq),
  };
}

/** From where the positions say that it was read, or whole where one of them no longer holds. */
async function readQuarantine(
  context: LoadContext,
  sources: Record<SourceKey, Found>,
  snapshots: OutputNow,
  quarantine: StreamNow,
): Promise<Record<SourceKey, Quarantined>> {
  const unread = (found: Found): { fromSeq: number; afterSeq: number } => {
    const { position } = found.stored;
    const facts = factsOf(found, snapshots, { ...quarantine, throughSeq: undefined });
    const isContinued =
      position?.quarantine.created === quarantine.created &&
      startOfSource(facts).notices.length === 0;
    return isContinued
      ? { fromSeq: position.quarantine.last_seq + 1, afterSeq: position.rejected.seq }
      : { fromSeq: 1, afterSeq: 0 };
  };
  const heartbeats = unread(sources.heartbeats);
  const events = unread(sources.events);
  return await loadQuarantined(context, Math.min(heartbeats.fromSeq, events.fromSeq), {
    heartbeats: { stream: sources.heartbeats.stream, afterSeq: heartbeats.afterSeq },
    events: { stream: sources.events.stream, afterSeq: events.afterSeq },
  });
}
