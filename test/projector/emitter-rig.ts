/** What the emitter's tests share: publishing, and reading back what it made of it. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { decodeHeartbeat } from "../../lib/core/decode-heartbeat.ts";
import { parseRejection } from "../../lib/core/quarantine.ts";
import type { Rejected } from "../../lib/core/quarantine.ts";
import { sample } from "../../lib/core/snapshot.ts";
import type { SampleState } from "../../lib/core/snapshot.ts";
import { DEFAULT_PREFIXES, runnerOfTokens } from "../../lib/core/subject.ts";
import { openReader } from "../../lib/nats/ordered-reader.ts";
import { startEmitter } from "../../lib/projector/emitter.ts";
import type { Emitter } from "../../lib/projector/emitter.ts";
import { makeLog } from "../support/log-lines.ts";
import { makeStreams } from "../support/streams.ts";
import { waitFor } from "../support/wait-for.ts";

export const BUCKET = "RUNBEAT_STATE";

/** A message as a stream holds it. */
export interface Held {
  readonly subject: string;
  readonly seq: number;
  readonly timeMs: number;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

/** Everything that a stream holds, in order. */
export async function readAll(nc: NatsConnection, stream: string): Promise<Held[]> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const held: Held[] = [];
  const { state } = await jsm.streams.info(stream);
  if (state.last_seq < state.first_seq || state.messages === 0) return held;
  const reader = await openReader({
    nc,
    jsm,
    stream,
    start: { fromSeq: 1 },
    onMessage: ({ subject, seq, timeMs, data, headers }) => {
      held.push({ subject, seq, timeMs, data: Uint8Array.from(data), headers });
      return seq < state.last_seq;
    },
  });
  await reader.ended;
  await reader.close();
  return held;
}

/**
 * The snapshots as `runner at heartbeat`, in the order of the heartbeats. Those of one runner must
 * stand in that order on the stream too.
 */
export async function keptSnapshots(nc: NatsConnection): Promise<string[]> {
  const last = new Map<string, number>();
  const kept = (await readAll(nc, "RUNBEAT_SNAPSHOTS")).map(({ subject, headers }) => {
    const runner = subject.slice("runbeat.snap.".length).replaceAll(".", "/");
    const seq = Number(headers?.get("Runbeat-Source-Seq"));
    if (seq < (last.get(runner) ?? 0)) throw new Error(`${runner} at ${seq} comes too late`);
    last.set(runner, seq);
    return { runner, seq };
  });
  kept.sort((a, b) => a.seq - b.seq);
  return kept.map(({ runner, seq }) => `${runner} at ${seq}`);
}

/** What the rule keeps of the heartbeats that the stream holds: one plain pass, nothing cleverer. */
export async function ruledSnapshots(nc: NatsConnection, everySec: number): Promise<string[]> {
  const states = new Map<string, SampleState>();
  const kept: string[] = [];
  for (const { subject, seq, timeMs, data } of await readAll(nc, "RUNBEAT_HEARTBEATS")) {
    const runner = runnerOfTokens(subject.slice("runbeat.hb.".length));
    const decoded = runner === undefined ? undefined : decodeHeartbeat(runner, data);
    if (runner === undefined || decoded?.ok !== true) continue;
    if (sample(states.get(runner), decoded.heartbeat, timeMs, everySec) === undefined) continue;
    states.set(runner, { keptAt: timeMs });
    kept.push(`${runner} at ${seq}`);
  }
  return kept;
}

export async function quarantined(nc: NatsConnection): Promise<Rejected[]> {
  const rejected: Rejected[] = [];
  for (const message of await readAll(nc, "RUNBEAT_QUARANTINE")) {
    const parsed = parseRejection(message);
    if (parsed !== undefined) rejected.push(parsed);
  }
  return rejected;
}

export async function emptyServer(nc: NatsConnection): Promise<void> {
  const jsm = await jetstreamManager(nc);
  for (const { config } of await jsm.streams.list().next()) await jsm.streams.delete(config.name);
  await makeStreams(nc);
}

export async function lastSeq(jsm: JetStreamManager, stream: string): Promise<number> {
  return (await jsm.streams.info(stream)).state.last_seq;
}

/** Publishes with an acknowledgement; gives the sequence. */
export async function publish(
  nc: NatsConnection,
  subject: string,
  body: object | Uint8Array | string,
): Promise<number> {
  const data = body instanceof Uint8Array || typeof body === "string" ? body : JSON.stringify(body);
  return (await jetstream(nc).publish(subject, data)).seq;
}

export async function beat(nc: NatsConnection, runner: string, body: object = {}): Promise<number> {
  return await publish(nc, `runbeat.hb.${runner.replaceAll("/", ".")}`, { pid: 1, ...body });
}

/** Emitters that a test started, with what they logged. */
export class EmitterRig {
  readonly logged = makeLog();
  readonly #running: Emitter[] = [];

  async start(nc: NatsConnection, everySec: number, holder = "test"): Promise<Emitter> {
    const emitter = await startEmitter({
      nc,
      prefixes: DEFAULT_PREFIXES,
      bucket: BUCKET,
      holder,
      everySec,
      log: this.logged.log,
      leaseTtlMs: 1_000,
    });
    this.#running.push(emitter);
    return emitter;
  }

  async stopAll(): Promise<void> {
    for (const emitter of this.#running.splice(0)) await emitter.stop();
  }
}

/** Waits until an emitter is done with all that its sources hold. */
export async function settled(nc: NatsConnection, emitter: Emitter): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  await waitFor(
    async () => {
      const { state, sources } = emitter.describe();
      if (state !== "judging") return false;
      for (const { stream, judgedSeq, rejectedSeq } of sources) {
        const last = await lastSeq(jsm, stream);
        if (judgedSeq < last || rejectedSeq < last) return false;
      }
      return sources.length > 0;
    },
    { what: "everything judged", timeoutMs: 10_000 },
  );
}
