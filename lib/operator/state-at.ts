/**
 * The read models as they were: the streams folded up to a moment, with the same folds, into a
 * database in memory with the same tables. Whatever reads the live tables reads this one.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import type { DeclaredRunner, Moment, ReadModels } from "../core/read-models.ts";
import { CLEAR_VIEW } from "../core/status.ts";
import type { Thresholds } from "../core/status.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { formatTime } from "../core/time.ts";
import { sequenceAt } from "../nats/stream-times.ts";
import type { KnownTimes } from "../nats/stream-times.ts";
import type { Mark, MarkStore } from "../store/mark-store.ts";
import type { SqliteDatabase } from "../store/open.ts";
import { openReadModels } from "../store/read-models.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { foldHistory, foldStatuses } from "./fold-state.ts";
import { openBase, usableMarks } from "./state-base.ts";
import type { BaseOptions, Places } from "./state-base.ts";

/** Whoever says "now" may have a clock that is a little ahead of the server's. */
const MAX_SKEW_MS = 2_000;
/** A fleet that is not in memory by then is read in one go. */
const LOAD_MS = 5_000;

export interface StateAtOptions {
  readonly nc: NatsConnection;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly thresholds: Thresholds;
  /** The fleet file's runners, as they are declared now: of what was declared then nothing is kept. */
  readonly declared?: readonly DeclaredRunner[];
  /** Epoch ms on the server's clock. */
  readonly at: number;
  /** The live database, for the tables of history; without it they are folded too. */
  readonly liveFile?: string;
  /** Without them everything is folded from the streams' beginning. */
  readonly marks?: MarkStore | undefined;
  /** For whoever opens one moment after the other. */
  readonly known?: KnownTimes;
  readonly signal?: AbortSignal;
}

/** How far a stream was folded. */
export interface StatePosition {
  readonly stream: string;
  readonly seq: number;
  /** When that message was stored, epoch ms; 0 where there is none. */
  readonly time: number;
  readonly created: string;
}

export interface StateAt {
  /** The tables and the view of the live database, in memory; closed by `close`. */
  readonly db: SqliteDatabase;
  /** The same as the API asks the live ones. */
  readonly models: ReadModels;
  /** What statuses are judged by. */
  readonly moment: Moment;
  /** By stream. */
  readonly positions: Readonly<Record<FoldedStream, StatePosition>>;
  /** Since when anything is known, epoch ms. */
  readonly knownFrom: number;
  close(): void;
}

/** Where a moment lies in every stream: what its state follows from, statuses apart. */
export interface LocatedMoment {
  /** Epoch ms. */
  readonly at: number;
  /** Since when anything is known, epoch ms. */
  readonly knownFrom: number;
  /** What the server's clock showed when it was asked, epoch ms. */
  readonly serverTime: number;
  readonly places: Places;
}

/**
 * Opens the state of a moment.
 * @throws AppError `invalid` for a moment that has not come yet, `not_found` for one before
 *   anything that is known, `unavailable` where the streams can't be read.
 */
export async function openStateAt(options: StateAtOptions): Promise<StateAt> {
  return await openLocated(options, await locateMoment(options));
}

/** Finds the moment in the streams. @throws AppError as {@link openStateAt}. */
export async function locateMoment(options: StateAtOptions): Promise<LocatedMoment> {
  const { at } = options;
  const jsm = await jetstreamManager(options.nc, { checkAPI: false });
  const places = await placesAt(options, jsm);
  const serverTime = Math.max(...Object.values(places).map((place) => place.serverTime));
  const marks = usableMarks(baseOptions(options, jsm), places);
  return { at, serverTime, places, knownFrom: checkMoment(at, places, serverTime, marks) };
}

/** Opens the state of a moment that was located. @throws AppError as {@link openStateAt}. */
export async function openLocated(
  options: StateAtOptions,
  moment: LocatedMoment,
): Promise<StateAt> {
  return await openFolded(options, moment, await foldLocated(options, moment));
}

/** What folding takes of the options: plain data and connections, so that another thread can. */
export type FoldingOptions = Pick<
  StateAtOptions,
  "nc" | "prefixes" | "projections" | "marks" | "signal"
>;

/**
 * The first and longest part of opening a state: its status tables, folded.
 * @throws AppError as {@link openStateAt}.
 */
export async function foldLocated(
  options: FoldingOptions,
  { at, places }: LocatedMoment,
): Promise<SqliteDatabase> {
  const jsm = await jetstreamManager(options.nc, { checkAPI: false });
  const base = await openBase(baseOptions(options, jsm), places);
  try {
    await foldStatuses({ ...options, jsm, at, places }, base);
    return base.db;
  } catch (error) {
    base.db.close();
    throw error;
  }
}

/**
 * The rest of it: history, and the fleet in memory.
 * @param db with the status tables, which is the state's from now on.
 * @throws AppError as {@link openStateAt}.
 */
export async function openFolded(
  options: StateAtOptions,
  { at, places, knownFrom }: LocatedMoment,
  db: SqliteDatabase,
): Promise<StateAt> {
  const { thresholds, declared = [] } = options;
  try {
    const jsm = await jetstreamManager(options.nc, { checkAPI: false });
    await foldHistory({ ...options, jsm, at, places }, db);
    db.pragma("query_only = 1");
    const models = openReadModels({ file: ":memory:", thresholds, db });
    models.declare(declared, 0);
    await untilLoaded(models);
    return {
      db,
      models,
      moment: { now: at, view: CLEAR_VIEW },
      positions: positionsOf(options.prefixes, places),
      knownFrom,
      close: () => models.close(),
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** In turns, so that others are answered meanwhile; whatever can't be read is thrown here. */
async function untilLoaded(models: ReadModels): Promise<void> {
  const deadline = performance.now() + LOAD_MS;
  while (!models.isLoaded() && performance.now() < deadline) await nextTurn();
  if (!models.isLoaded()) models.isRegistered("");
}

function baseOptions(options: FoldingOptions, jsm: JetStreamManager): BaseOptions {
  const { prefixes, projections, marks } = options;
  return { jsm, prefixes, projections, marks };
}

function streamsOf(projections: readonly AnyProjection[]): FoldedStream[] {
  return [...new Set(projections.map(({ stream }) => stream as FoldedStream))];
}

async function placesAt(
  { prefixes, projections, at, known, marks }: StateAtOptions,
  jsm: JetStreamManager,
): Promise<Places> {
  const kept = marks?.list() ?? [];
  const found = streamsOf(projections).map(async (stream) => {
    const name = streamName(prefixes, stream);
    return [
      stream,
      await sequenceAt(jsm, name, at, { known, near: near(kept, name, at) }),
    ] as const;
  });
  return Object.fromEntries(await Promise.all(found)) as Places;
}

/** Where the marks around the moment stand in a stream: the moment lies between the two. */
function near(marks: readonly Mark[], stream: string, at: number): number[] {
  let [before, after] = [0, Number.MAX_SAFE_INTEGER];
  for (const { positions } of marks) {
    const place = positions.find((position) => position.stream === stream);
    if (place === undefined) continue;
    if (place.time <= at) before = Math.max(before, place.seq);
    else after = Math.min(after, place.seq);
  }
  return [before, after];
}

/** @returns since when anything is known. @throws AppError for a moment that can't be told of. */
function checkMoment(at: number, places: Places, now: number, marks: readonly Mark[]): number {
  if (at > now + MAX_SKEW_MS) {
    throw new AppError("invalid", `${formatTime(at)} has not come yet: ${clockText(places, now)}`);
  }
  const start = startOf(places) ?? now;
  const oldest = marks.at(-1)?.positions.map(({ time }) => time) ?? [start];
  const knownFrom = Math.min(start, Math.max(...oldest));
  if (at >= knownFrom) return knownFrom;
  throw new AppError(
    "not_found",
    `Nothing is known of ${formatTime(at)}: it is known what was from ${formatTime(knownFrom)} on`,
  );
}

function clockText({ heartbeats }: Places, now: number): string {
  const clock = heartbeats.isImported
    ? "the imported range ends at"
    : "the NATS server's clock shows";
  return `${clock} ${formatTime(now)}`;
}

/** A stream that has lost messages knows nothing of before; with all of them, it knows its past. */
function startOf({ heartbeats, events }: Places): number | undefined {
  if (heartbeats.firstSeq > 1) return heartbeats.firstTime;
  const first = [heartbeats.firstTime, events.firstTime].filter((time) => time !== undefined);
  return first.length === 0 ? undefined : Math.min(...first);
}

function positionsOf(prefixes: Prefixes, places: Places): StateAt["positions"] {
  const entries = Object.entries(places).map(([stream, { seq, time, created }]) => [
    stream,
    { stream: streamName(prefixes, stream as FoldedStream), seq, time, created },
  ]);
  return Object.fromEntries(entries) as StateAt["positions"];
}
