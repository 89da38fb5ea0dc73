import type { FindingView, StandingView } from "../core/standing.ts";
import { hasTable } from "./lane-tables.ts";
import type { SqliteDatabase } from "./open.ts";
import { readStanding } from "./standing.ts";

/** Differences that are told of; the rest is counted. */
const MAX_TOLD = 5;

interface Row extends Omit<FindingView, "column" | "firstSeq" | "lastSeq"> {
  readonly column: string;
  readonly first_seq: number;
  readonly last_seq: number;
}

/** Reads what Runbeat knows of its own parts; of a database of an earlier release, nothing. */
export function standingReader(db: SqliteDatabase): () => StandingView {
  return () => {
    if (!hasTable(db, "standing")) return { findings: [], findingCount: 0 };
    const projector = readStanding(db, "projector");
    const check = readStanding(db, "check");
    const rebuild = readStanding(db, "rebuild");
    const rows = db
      .prepare(
        `select projection, row, "column", live, folded, stream, first_seq, last_seq
          from difference order by projection, row limit ?`,
      )
      .all(MAX_TOLD) as Row[];
    const count = db.prepare("select count(*) from difference").pluck().get() as number;
    return {
      ...(projector === undefined
        ? {}
        : { projector: { seenAt: projector.at, outdated: projector.data.outdated } }),
      ...(check === undefined ? {} : { check: { at: check.at, ...check.data } }),
      ...(rebuild === undefined ? {} : { rebuild: { at: rebuild.at, ...rebuild.data } }),
      findings: rows.map(findingOf),
      findingCount: count,
    };
  };
}

function findingOf({ column, first_seq, last_seq, ...rest }: Row): FindingView {
  return {
    ...rest,
    column: column === "" ? undefined : column,
    firstSeq: first_seq,
    lastSeq: last_seq,
  };
}
