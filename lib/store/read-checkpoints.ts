import type { CheckpointView } from "../core/read-models.ts";
import type { SqliteDatabase } from "./open.ts";
import type { Lane, ServedLane } from "./lanes.ts";

export interface CheckpointReader {
  /** Which of the status tables are to be read at present. */
  lane(): ServedLane;
  all(): CheckpointView[];
}

export function checkpointReader(db: SqliteDatabase): CheckpointReader {
  const active = db.prepare("select lane from lane where active = 1 order by lane limit 1").pluck();
  const rows = db.prepare("select * from checkpoint order by projection, version, partition, lane");
  return {
    // "fast" sorts before "main": where both are marked, the quick one is the one to read.
    lane: () => (active.get() as ServedLane | undefined) ?? "main",
    all: () => rows.all() as CheckpointView[],
  };
}

/** How far a projection has come in a lane; 0 where it has not begun. */
export function checkpointSeq(
  rows: readonly CheckpointView[],
  projection: string,
  lane: Lane = "main",
): number {
  const own = rows.filter((row) => row.projection === projection && row.lane === lane);
  return own.reduce((seq, row) => Math.max(seq, row.seq), 0);
}
