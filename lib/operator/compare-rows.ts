/** Compares a live table's rows with the same rows folded anew. Pure. */
import type { AnyProjection } from "../../projections/projection.ts";

export type Row = Record<string, unknown>;

export interface Difference {
  readonly table: string;
  /** The row's key, readable. */
  readonly row: string;
  /** Undefined where the whole row is missing or too many. */
  readonly column: string | undefined;
  readonly live: unknown;
  readonly folded: unknown;
  /** Undefined where the row is of no runner. */
  readonly runner: string | undefined;
  /** Sequences of the first and last message that made the row. */
  readonly firstSeq: number;
  readonly lastSeq: number;
}

export interface Tally {
  /** Rows that were compared, wholly or in part. */
  compared: number;
  /** Rows whose messages the stream no longer holds, in full or in part. */
  unjudged: number;
  readonly differences: Difference[];
}

/** Differences listed per table; the rest is only counted. */
const MAX_LISTED = 1_000;

function keyOf(projection: AnyProjection, row: Row): string {
  return projection.table.key.map((column) => String(row[column])).join(" ");
}

function firstSeqOf(projection: AnyProjection, row: Row): number {
  return Number(row[projection.appends || !("first_seq" in row) ? "stream_seq" : "first_seq"]);
}

/** Sequence of the last message that made a row. */
export function lastSeqOf(projection: AnyProjection, row: Row): number {
  return Number(row[projection.appends || !("last_seq" in row) ? "stream_seq" : "last_seq"]);
}

function originOf(projection: AnyProjection, a: Row, b: Row) {
  return {
    runner: typeof a["runner"] === "string" ? a["runner"] : undefined,
    firstSeq: Math.min(firstSeqOf(projection, a), firstSeqOf(projection, b)),
    lastSeq: Math.max(lastSeqOf(projection, a), lastSeqOf(projection, b)),
  };
}

function note(tally: Tally, difference: Difference): void {
  if (tally.differences.length < MAX_LISTED) tally.differences.push(difference);
}

function compareColumns(
  projection: AnyProjection,
  columns: readonly string[],
  live: Row,
  folded: Row,
  tally: Tally,
): void {
  for (const column of columns) {
    if (live[column] === folded[column]) continue;
    note(tally, {
      table: projection.table.name,
      row: keyOf(projection, live),
      column,
      live: live[column],
      folded: folded[column],
      ...originOf(projection, live, folded),
    });
  }
}

/** Only what the messages that are left determine. */
function compareInPart(projection: AnyProjection, live: Row, folded: Row, tally: Tally): void {
  const { given, always, whenSaid } = projection.partlyKnown;
  tally.unjudged += 1;
  if (given.some((column) => live[column] !== folded[column])) return;
  tally.compared += 1;
  const said = whenSaid.filter((column) => folded[column] !== null);
  compareColumns(projection, [...always, ...said], live, folded, tally);
}

/**
 * Compares one row. Either side may be missing.
 * @param firstSeq the first sequence that the stream still holds: rows that began earlier are
 *   judged only as far as the rest determines them.
 */
export function compareRow(
  projection: AnyProjection,
  live: Row | undefined,
  folded: Row | undefined,
  firstSeq: number,
  tally: Tally,
): void {
  if (live !== undefined && folded !== undefined) {
    if (firstSeqOf(projection, live) < firstSeq)
      return compareInPart(projection, live, folded, tally);
    tally.compared += 1;
    return compareColumns(projection, projection.table.columns, live, folded, tally);
  }
  const only = live ?? folded;
  if (only === undefined) return;
  if (lastSeqOf(projection, only) < firstSeq) {
    tally.unjudged += 1;
    return;
  }
  tally.compared += 1;
  note(tally, {
    table: projection.table.name,
    row: keyOf(projection, only),
    column: undefined,
    live: live === undefined ? "no such row" : "a row",
    folded: folded === undefined ? "no such row" : "a row",
    ...originOf(projection, only, only),
  });
}
