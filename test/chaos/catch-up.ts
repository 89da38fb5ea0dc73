/** Waits until everything that follows from the streams is done. */
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { CAUGHT_UP_MS, projectorHas, readDatabase } from "./stage.ts";
import type { Stage } from "./stage.ts";

const SOURCES = ["heartbeats", "events"] as const;

/** First the emitter judges all there is, then the projector folds what came of it. */
export async function expectCaughtUp(nc: NatsConnection, stage: Stage): Promise<void> {
  const jsm = await jetstreamManager(nc);
  for (const source of SOURCES) {
    const isJudged = async () => (await judged(jsm, source)) >= (await lastSeq(jsm, source));
    await projectorHas(stage, isJudged, {
      what: `all ${source} judged by the emitter`,
      timeoutMs: CAUGHT_UP_MS,
    });
  }
  await projectorHas(stage, async () => await isFolded(jsm, stage), {
    what: "all streams folded by the projector",
    timeoutMs: CAUGHT_UP_MS,
  });
}

async function lastSeq(jsm: JetStreamManager, key: string): Promise<number> {
  return (await jsm.streams.info(`RUNBEAT_${key.toUpperCase()}`)).state.last_seq;
}

/** Up to where snapshots and rejects are stored, as the emitter writes it down. */
async function judged(jsm: JetStreamManager, source: string): Promise<number> {
  const message = await jsm.streams.getMessage("KV_RUNBEAT_STATE", {
    last_by_subj: `$KV.RUNBEAT_STATE.emitter.${source}`,
  });
  const position = message?.json<{ judged: { seq: number }; rejected: { seq: number } }>();
  return position === undefined ? 0 : Math.min(position.judged.seq, position.rejected.seq);
}

interface Checkpoint {
  readonly stream: string;
  readonly seq: number;
}

async function isFolded(jsm: JetStreamManager, stage: Stage): Promise<boolean> {
  const checkpoints = readDatabase(
    stage,
    (db) =>
      db.prepare("select stream, seq from checkpoint where lane = 'main'").all() as Checkpoint[],
  );
  if (checkpoints === undefined || checkpoints.length === 0) return false;
  for (const { stream, seq } of checkpoints) {
    if (seq !== (await jsm.streams.info(stream)).state.last_seq) return false;
  }
  return true;
}
