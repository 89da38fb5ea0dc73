/** Compares what the streams hold with what was acknowledged and with what the emitter must do. */
import type { NatsConnection } from "@nats-io/transport-node";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { decodeEvent } from "../../lib/core/event.ts";
import { eventOfTokens, runnerOfTokens } from "../../lib/core/subject.ts";
import type { AcknowledgedEvent } from "./event-load.ts";
import { ExpectedQuarantine } from "./expected-quarantine.ts";
import { ExpectedSnapshots } from "./expected-snapshots.ts";
import type { Findings } from "./findings.ts";
import { markOf } from "./http-load.ts";
import type { Mark } from "./http-load.ts";
import { SNAPSHOT_EVERY_SEC } from "./stage.ts";
import { readStream, timeMs } from "./stream-reading.ts";

/** A heartbeat may be lost that was stored so long before a kill. */
const LOST_WITHIN_MS = 15_000;

export interface Acknowledged {
  readonly events: readonly AcknowledgedEvent[];
  /** Heartbeats answered 2xx over HTTP. */
  readonly heartbeats: readonly Mark[];
  /** Workers whose registration was answered 201. */
  readonly registered: readonly string[];
}

export interface StreamFacts {
  readonly heartbeats: number;
  readonly goodHeartbeats: number;
  /** Sequences that are missing within the stream. */
  readonly holes: number;
  readonly goodEvents: ReadonlySet<number>;
  readonly snapshots: number;
  readonly snapshotGhosts: number;
  readonly rejected: number;
  readonly rejectedGhosts: number;
  /** Heartbeats answered 2xx over HTTP that are gone: a killed server may lose its last ones. */
  readonly acceptedHeartbeatsLost: number;
}

/** @param kills when the server was killed, epoch ms. */
export async function checkStreams(
  nc: NatsConnection,
  acknowledged: Acknowledged,
  kills: readonly number[],
  findings: Findings,
): Promise<StreamFacts> {
  const snapshots = new ExpectedSnapshots(SNAPSHOT_EVERY_SEC, findings);
  const quarantine = new ExpectedQuarantine(findings);
  await readStream(nc, "RUNBEAT_SNAPSHOTS", (message) => snapshots.takeSnapshot(message));
  await readStream(nc, "RUNBEAT_QUARANTINE", (message) => quarantine.takeRejected(message));
  const heartbeats = await checkHeartbeats(nc, snapshots, quarantine);
  const goodEvents = await checkEvents(nc, acknowledged, quarantine, findings);
  const isBeforeKill = (time: number): boolean =>
    kills.some((at) => time <= at && time > at - LOST_WITHIN_MS);
  const lost = acknowledged.heartbeats.filter((mark) => !heartbeats.marks.has(mark));
  return {
    heartbeats: heartbeats.all,
    goodHeartbeats: heartbeats.good,
    holes: heartbeats.holes,
    goodEvents,
    snapshots: snapshots.expected,
    snapshotGhosts: snapshots.countGhosts(isBeforeKill),
    rejected: quarantine.expected,
    rejectedGhosts: quarantine.countGhosts(isBeforeKill),
    acceptedHeartbeatsLost: lost.length,
  };
}

async function checkHeartbeats(
  nc: NatsConnection,
  snapshots: ExpectedSnapshots,
  quarantine: ExpectedQuarantine,
) {
  const marks = new Set<Mark>();
  const counts = { all: 0, good: 0, holes: 0 };
  let lastSeq = 0;
  await readStream(nc, "RUNBEAT_HEARTBEATS", (message) => {
    const { seq } = message;
    const time = timeMs(message);
    counts.all += 1;
    counts.holes += seq - lastSeq - 1;
    lastSeq = seq;
    const id = runnerOfTokens(message.subject.slice("runbeat.hb.".length));
    if (id === undefined) return quarantine.takeBad("RUNBEAT_HEARTBEATS", seq, time, "bad_subject");
    const decoded = decodeHeartbeat(id, message.data);
    if (!decoded.ok) {
      return quarantine.takeBad("RUNBEAT_HEARTBEATS", seq, time, decoded.rejection.reason);
    }
    counts.good += 1;
    snapshots.takeHeartbeat(id, seq, time, decoded.heartbeat);
    const mark = id.includes("/http-") ? markOf(id, message.json()) : undefined;
    if (mark !== undefined) marks.add(mark);
  });
  return { ...counts, marks };
}

/** Sequences of the events that can be folded. */
async function checkEvents(
  nc: NatsConnection,
  acknowledged: Acknowledged,
  quarantine: ExpectedQuarantine,
  findings: Findings,
): Promise<Set<number>> {
  const good = new Set<number>();
  const ids = new Map<string, number>();
  const registered = new Set<string>();
  await readStream(nc, "RUNBEAT_EVENTS", (message) => {
    const { seq } = message;
    const id = message.headers?.get("Nats-Msg-Id") ?? "";
    if (id === "") findings.add("event without an id", String(seq));
    if (ids.has(id)) findings.add("event stored twice", `${id}: ${ids.get(id) ?? 0} and ${seq}`);
    ids.set(id, seq);
    const address = eventOfTokens(message.subject.slice("runbeat.ev.".length));
    const decoded = address && decodeEvent(address.type, message.data);
    if (decoded?.ok !== true) {
      const reason = decoded?.rejection.reason ?? "bad_subject";
      return quarantine.takeBad("RUNBEAT_EVENTS", seq, timeMs(message), reason);
    }
    good.add(seq);
    if (address?.type === "worker_registered") registered.add(address.runner);
  });
  for (const event of acknowledged.events) {
    if (ids.get(event.id) !== event.seq)
      findings.add("acknowledged event lost", `${event.id} ${event.seq}`);
    if (good.has(event.seq) === event.isBad) findings.add("event judged wrongly", event.id);
  }
  for (const worker of acknowledged.registered) {
    if (!registered.has(`worker/${worker}/default`))
      findings.add("acknowledged registration lost", worker);
  }
  return good;
}
