/** Brings a base up to a moment: status tables by folding, tables of history from the live ones. */
import { setTimeout as delay } from "node:timers/promises";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { decoderOf } from "../projector/decode.ts";
import type { Decoder } from "../projector/decode.ts";
import { Fold } from "../projector/fold.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import type { Position } from "../store/checkpoint.ts";
import { attachLive, liveReaches, showHistory } from "../store/history-view.ts";
import type { HistoryLimit } from "../store/history-view.ts";
import { packTables, positionsIn } from "../store/mark-image.ts";
import type { MarkStore } from "../store/mark-store.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { foldRange } from "./fold-range.ts";
import { markedTables } from "./marked-tables.ts";
import type { Places, StateBase } from "./state-base.ts";

/** Folding more than this is worth a mark, so that nobody needs to do it again. */
export const MARK_EVERY_MESSAGES = 6_250;
/** The projector has what was stored a moment ago after so long. */
const MAX_LIVE_LAG_MS = 500;
const POLL_MS = 25;

export interface FoldStateOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly places: Places;
  /** Epoch ms. */
  readonly at: number;
  readonly liveFile?: string;
  readonly marks?: MarkStore | undefined;
  readonly signal?: AbortSignal;
}

/** Folds the status tables from the base up to the moment. */
export async function foldStatuses(
  options: FoldStateOptions,
  { db, mark }: StateBase,
): Promise<void> {
  await foldUp(options, db, options.projections.filter(tellsStatus));
  const { firstSeq, seq } = options.places.heartbeats;
  if (seq - (mark?.seq ?? firstSeq - 1) > 2 * MARK_EVERY_MESSAGES) await leaveMark(options, db);
}

/** Shows the history up to the moment beside folded status tables. */
export async function foldHistory(options: FoldStateOptions, db: SqliteDatabase): Promise<void> {
  const shown = await showLive(options, db);
  const others = options.projections.filter((one) => !tellsStatus(one) && !shown.includes(one));
  await foldUp(options, db, others);
  // A projector that was up to date wrote each checkpoint when its message came.
  db.prepare("update checkpoint set updated_at = time").run();
}

function tellsStatus(projection: AnyProjection): boolean {
  return projection.tellsStatus;
}

/** Folds from where the database stands, or from the stream's beginning. */
export async function foldUp(
  options: Pick<FoldStateOptions, "nc" | "jsm" | "prefixes" | "places" | "signal">,
  db: SqliteDatabase,
  projections: readonly AnyProjection[],
): Promise<void> {
  const { nc, jsm, prefixes, places, signal } = options;
  // All streams at once, since most of a short stretch is waiting for the server.
  const streams = [...new Set(projections.map((one) => one.stream as FoldedStream))];
  const folding = streams.map(async (stream) => {
    const own = projections.filter((projection) => projection.stream === stream);
    const name = streamName(prefixes, stream);
    const { created, firstSeq, seq } = places[stream];
    const start = { stream: name, streamCreated: created, seq: firstSeq - 1, time: 0 };
    await foldRange({
      nc,
      jsm,
      db,
      streamName: name,
      decode: knownDecoder(stream, prefixes),
      folds: own.map((projection) => foldOf(db, projection, start)),
      to: seq,
      ...(signal === undefined ? {} : { signal }),
    });
  });
  // Whoever closes the database must not do so under one that still folds.
  const failed = (await Promise.allSettled(folding)).find((one) => one.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Decoders remember the runners that they have seen: who opens one moment after the other gains. */
const decoders = new Map<string, Decoder<FoldedStream>>();

function knownDecoder(stream: FoldedStream, prefixes: Prefixes): Decoder<FoldedStream> {
  const key = `${stream} ${JSON.stringify(prefixes)}`;
  const decoder = decoders.get(key) ?? decoderOf(stream, prefixes);
  decoders.set(key, decoder);
  return decoder;
}

function foldOf(db: SqliteDatabase, projection: AnyProjection, start: Position): Fold {
  const checkpoints = checkpointStore(db);
  const { name, version } = projection;
  const key = { projection: name, version, partition: 0, lane: "main" } as const;
  const row = checkpoints.read(key);
  if (row === undefined) checkpoints.reset(key, start, null);
  const { seq, time } = row ?? start;
  return new Fold(db, projection, "main", { ...start, seq, time });
}

/** That it could not be kept is no reason not to answer. */
async function leaveMark({ marks, projections }: FoldStateOptions, db: SqliteDatabase) {
  const positions = positionsIn(db, markedTables(projections), "folded");
  const seq = positions?.find(({ projection }) => projection === "latest_heartbeat")?.seq;
  if (marks === undefined || positions === undefined || seq === undefined) return;
  try {
    marks.add(seq, positions, await packTables(db));
  } catch {
    // The file is another's, or the disk is full.
  }
}

/** @returns the projections whose rows are seen in the live database, as far as they had come. */
async function showLive(
  { projections, places, at, liveFile }: FoldStateOptions,
  db: SqliteDatabase,
): Promise<AnyProjection[]> {
  const kept = projections.filter(({ appends, name }) => appends || name === "quarantine");
  if (!attachLive(db, liveFile)) return [];
  const shown: AnyProjection[] = [];
  for (const projection of kept) {
    const { name, version, table } = projection;
    const { created, seq } = places[projection.stream as FoldedStream];
    const limit = { projection: name, version, table, created, seq, at };
    if (!(await untilLive(db, limit))) continue;
    showHistory(db, limit);
    shown.push(projection);
  }
  return shown;
}

async function untilLive(db: SqliteDatabase, limit: HistoryLimit): Promise<boolean> {
  const deadline = performance.now() + MAX_LIVE_LAG_MS;
  while (!liveReaches(db, limit)) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}
