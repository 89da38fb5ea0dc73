/**
 * What a rebuild would change: the live rows beside those that it has folded, at one moment of the
 * database. The two need not have come equally far: a row that changed after the earlier of both is
 * still moving, and is not judged.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { checkpointStore } from "../store/checkpoint.ts";
import { openReadOnly } from "../store/open.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { compareRow, lastSeqOf } from "./compare-rows.ts";
import type { Difference, Row, Tally } from "./compare-rows.ts";
import { rowPairs, rowsOf } from "./row-pairs.ts";

/** Rows compared before others have their turn. */
const SLICE_ROWS = 5_000;

export interface LaneReport extends Tally {
  readonly projection: string;
  readonly table: string;
  /** Versions of the fold that made the rows; null where there are no live ones yet. */
  readonly fromVersion: number | null;
  readonly toVersion: number;
  readonly stream: string;
  /** How far the new rows are folded. */
  readonly seq: number;
  /** Rows that changed since the earlier of both: not compared. */
  readonly moving: number;
}

/** @param firstSeqs by stream name: the first message that it still holds. */
export async function compareLanes(
  databaseFile: string,
  projections: readonly AnyProjection[],
  firstSeqs: ReadonlyMap<string, number>,
): Promise<LaneReport[]> {
  const reports: LaneReport[] = [];
  for (const projection of projections) {
    // A moment for each: the log of the database can't be emptied while one is held.
    const db = openReadOnly(databaseFile);
    db.exec("begin");
    try {
      reports.push(await compareOne(db, projection, firstSeqs));
    } finally {
      db.close();
    }
  }
  return reports;
}

async function compareOne(
  db: SqliteDatabase,
  projection: AnyProjection,
  firstSeqs: ReadonlyMap<string, number>,
): Promise<LaneReport> {
  const checkpoints = checkpointStore(db);
  const live = checkpoints.readAny(projection.name, "main");
  const next = checkpoints.readAny(projection.name, "next");
  const tally: Tally = { compared: 0, unjudged: 0, differences: [] as Difference[] };
  const report = {
    projection: projection.name,
    table: projection.table.name,
    fromVersion: live?.version ?? null,
    toVersion: projection.version,
    stream: next?.stream ?? "",
    seq: next?.seq ?? 0,
  };
  if (live === undefined || next === undefined) return { ...report, ...tally, moving: 0 };
  const isSettled = settledUpTo(projection, live.seq, next.seq);
  const firstSeq = firstSeqs.get(next.stream) ?? 0;
  const ours = rowsOf(db, projection.table, "main");
  const theirs = rowsOf(db, projection.table, "next");
  let [moving, rows] = [0, 0];
  for (const [a, b] of rowPairs(projection, ours, theirs)) {
    if (isSettled(a) && isSettled(b)) compareRow(projection, a, b, firstSeq, tally);
    else moving += 1;
    rows += 1;
    if (rows % SLICE_ROWS === 0) await nextTurn();
  }
  return { ...report, ...tally, moving };
}

/** Tells rows that are the same on both sides, however far the other has come. */
function settledUpTo(
  projection: AnyProjection,
  liveSeq: number,
  nextSeq: number,
): (row: Row | undefined) => boolean {
  const upTo = Math.min(liveSeq, nextSeq);
  const isTold = projection.appends || projection.table.columns.includes("last_seq");
  if (!isTold) return () => liveSeq === nextSeq;
  return (row) => row === undefined || lastSeqOf(projection, row) <= upTo;
}
