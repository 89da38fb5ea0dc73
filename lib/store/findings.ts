/** What checks of the rows against the streams have found, kept until a later one finds it gone. */
import type { FindingView, RowCheckView } from "../core/standing.ts";
import type { SqliteDatabase } from "./open.ts";
import { writeStanding } from "./standing.ts";

export interface Finding extends FindingView {
  /** Undefined where the row is of no runner. */
  readonly runner: string | undefined;
}

/** What was looked at, and what was found in it. */
export interface CheckOutcome extends Omit<RowCheckView, "at"> {
  /** Projections that were judged, and of which runners: undefined stands for all rows. */
  readonly judged: readonly { readonly projection: string; readonly runners?: readonly string[] }[];
  readonly findings: readonly Finding[];
}

/** More differences than these are not kept: one is enough to know, and all are in `runbeat verify`. */
const MAX_FINDINGS = 200;

/** Replaces what was known of what was judged, in one transaction. */
export function recordCheck(db: SqliteDatabase, outcome: CheckOutcome): void {
  const { judged, findings, ...check } = outcome;
  const forgetAll = db.prepare("delete from difference where projection = ?");
  const forget = db.prepare("delete from difference where projection = ? and runner = ?");
  const insert = db.prepare(`insert or replace into difference
    (projection, row, "column", runner, live, folded, stream, first_seq, last_seq, found_at)
    values (@projection, @row, @column, @runner, @live, @folded, @stream, @firstSeq, @lastSeq, @now)`);
  const now = Date.now();
  db.transaction(() => {
    for (const { projection, runners } of judged) {
      if (runners === undefined) forgetAll.run(projection);
      else for (const runner of runners) forget.run(projection, runner);
    }
    for (const finding of findings.slice(0, MAX_FINDINGS)) {
      const { column, runner } = finding;
      insert.run({ ...finding, column: column ?? "", runner: runner ?? null, now });
    }
    writeStanding(db, "check", check);
  }).immediate();
}

/** Runners of which a difference is known. */
export function runnersWithFindings(db: SqliteDatabase, limit: number): string[] {
  return db
    .prepare("select distinct runner from difference where runner is not null limit ?")
    .pluck()
    .all(limit) as string[];
}
