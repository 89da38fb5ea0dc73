/** What a rebuild does to the database, each step one transaction. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../core/errors.ts";
import type { Follower } from "../projector/follower.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import {
  createTwin,
  dropSomeGone,
  exchangeTables,
  exchanging,
  exchangingLater,
  hasTable,
  isTwin,
  setAside,
  takeOldAsNext,
} from "../store/lane-tables.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { AnyProjection } from "../../projections/projection.ts";

const POLL_MS = 1;

/**
 * Makes the table that is folded into; one that an interrupted rebuild left is gone on with.
 * @returns whether it is.
 * @throws AppError `unavailable` where the projection has no table yet.
 */
export function prepareNext(db: SqliteDatabase, projection: AnyProjection): boolean {
  const { name, version, table } = projection;
  if (!hasTable(db, table.name)) {
    throw new AppError(
      "unavailable",
      `Projection ${name} has no table yet: start \`runbeat projector\` once, it makes it`,
    );
  }
  const checkpoints = checkpointStore(db);
  return exchanging(db, () => {
    const key = { projection: name, version, partition: 0, lane: "next" } as const;
    if (checkpoints.read(key) !== undefined && isTwin(db, table.name, "next")) return true;
    setAside(db, table.name, "next");
    forget(db, name, "next");
    createTwin(db, table.name, "next");
    return false;
  });
}

/** Lets the rows of before the last rebuild take the place of what is folded next. */
export function prepareRollback(db: SqliteDatabase, projections: readonly AnyProjection[]): void {
  exchanging(db, () => {
    for (const { name, table } of projections) {
      takeOldAsNext(db, table.name);
      forget(db, name, "next");
      move(db, name, "old", "next");
    }
  });
}

/**
 * Puts the new rows in the place of the live ones, all of them at one moment.
 * @param mustLead only when they have come at least as far: nobody is told of an earlier moment.
 * @returns whether that was done.
 */
export function switchLanes(
  db: SqliteDatabase,
  projections: readonly AnyProjection[],
  mustLead: boolean,
): boolean {
  return exchanging(db, () => {
    if (mustLead && !projections.every((projection) => isLeading(db, projection))) return false;
    exchangeAll(db, projections);
    return true;
  });
}

/**
 * The same with the live rows held where they are for the last messages: where many come in, there
 * is no moment by itself at which the new rows have come as far.
 * @param followers that fold the new rows, one for each stream.
 * @param maxMs that the live rows are held; less than others wait for the database.
 */
export async function switchLanesHeld(
  db: SqliteDatabase,
  projections: readonly AnyProjection[],
  followers: readonly Follower[],
  maxMs: number,
): Promise<boolean> {
  for (const follower of followers) follower.hold();
  try {
    return await exchangingLater(db, async () => {
      if (!(await untilFolded(liveSeqs(db, projections), followers, maxMs))) return false;
      for (const follower of followers) follower.writeHeld();
      if (!projections.every((projection) => isLeading(db, projection))) return false;
      exchangeAll(db, projections);
      return true;
    });
  } finally {
    for (const follower of followers) follower.release();
  }
}

/** How far the live rows are, by the name of their stream. */
function liveSeqs(db: SqliteDatabase, projections: readonly AnyProjection[]): Map<string, number> {
  const checkpoints = checkpointStore(db);
  const seqs = new Map<string, number>();
  for (const { name } of projections) {
    const live = checkpoints.readAny(name, "main");
    if (live !== undefined) seqs.set(live.stream, Math.max(live.seq, seqs.get(live.stream) ?? 0));
  }
  return seqs;
}

async function untilFolded(
  seqs: ReadonlyMap<string, number>,
  followers: readonly Follower[],
  maxMs: number,
): Promise<boolean> {
  const deadline = performance.now() + maxMs;
  while (!followers.every((one) => one.hasFolded(seqs.get(one.streamName) ?? 0))) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

function exchangeAll(db: SqliteDatabase, projections: readonly AnyProjection[]): void {
  for (const { name, table } of projections) {
    exchangeTables(db, table.name);
    const generation = newestGeneration(db, name) + 1;
    forget(db, name, "old");
    move(db, name, "main", "old");
    move(db, name, "next", "main");
    db.prepare("update checkpoint set generation = ? where projection = ? and lane = 'main'").run(
      generation,
      name,
    );
    db.prepare("delete from difference where projection = ?").run(name);
  }
}

/** Drops what was set aside, bit by bit; false once there is nothing left. */
export function dropSome(db: SqliteDatabase, projections: readonly AnyProjection[]): boolean {
  return dropSomeGone(
    db,
    projections.map(({ table }) => table),
  );
}

/** Which of the projections have rows of before the last rebuild. */
export function withOldRows(
  db: SqliteDatabase,
  projections: readonly AnyProjection[],
): AnyProjection[] {
  const checkpoints = checkpointStore(db);
  return projections.filter(
    ({ name, table }) =>
      checkpoints.readAny(name, "old") !== undefined && isTwin(db, table.name, "old"),
  );
}

function isLeading(db: SqliteDatabase, { name }: AnyProjection): boolean {
  const checkpoints = checkpointStore(db);
  const live = checkpoints.readAny(name, "main");
  const next = checkpoints.readAny(name, "next");
  if (next === undefined) return false;
  if (live === undefined) return true;
  return live.stream_created === next.stream_created && next.seq >= live.seq;
}

function newestGeneration(db: SqliteDatabase, projection: string): number {
  const newest = db.prepare("select max(generation) from checkpoint where projection = ?").pluck();
  return (newest.get(projection) as number | null) ?? 0;
}

function forget(db: SqliteDatabase, projection: string, lane: "next" | "old"): void {
  db.prepare("delete from checkpoint where projection = ? and lane = ?").run(projection, lane);
}

function move(db: SqliteDatabase, projection: string, from: string, to: string): void {
  db.prepare("update checkpoint set lane = ? where projection = ? and lane = ?").run(
    to,
    projection,
    from,
  );
}
