/** A runner's history: its snapshots, newest first, one by one or in buckets for graphs. */
import { FIGURES } from "../core/read-models.ts";
import type {
  BucketQuery,
  BucketView,
  Figure,
  Page,
  SnapshotPosition,
  SnapshotQuery,
  SnapshotView,
  Spread,
} from "../core/read-models.ts";
import { runnerParts } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { SqliteDatabase } from "./open.ts";

export interface SnapshotReader {
  page(query: SnapshotQuery): Omit<Page<SnapshotView, SnapshotPosition>, "seq">;
  buckets(query: BucketQuery): Omit<Page<BucketView, number>, "seq">;
}

/** Before the first and after the last time that a Date can hold. */
const BEGINNING = -8.64e15;
const END = 8.64e15;

const OF_RUNNER = "kind = @kind and name = @name and profile = @profile";

interface BucketRow extends Record<`${Figure}_${"mean" | "min" | "max"}`, number | null> {
  readonly start: number;
  readonly count: number;
  readonly errors: number;
}

function bucketSql(): string {
  const figures = FIGURES.flatMap((name) => [
    `avg(${name}) as ${name}_mean`,
    `min(${name}) as ${name}_min`,
    `max(${name}) as ${name}_max`,
  ]);
  return `select (ts / cast(@everyMs as integer)) * cast(@everyMs as integer) as start, count(*) as count,
      sum(last_error <> '') as errors, ${figures.join(", ")}
    from runner_heartbeat where ${OF_RUNNER} and ts between @low and @high
    group by start order by start desc`;
}

export function snapshotReader(db: SqliteDatabase): SnapshotReader {
  const page = db.prepare(`select ts, heartbeat_seq, host, pid, health, fps, detected, matched,
      latency_ms, last_error, seq
    from runner_heartbeat where ${OF_RUNNER} and ts >= @from
      and (ts, heartbeat_seq) < (@to, @seq) and ts <= @to
    order by ts desc, heartbeat_seq desc limit @limit`);
  const newest = db
    .prepare(
      `select max(ts) from runner_heartbeat where ${OF_RUNNER} and ts between @low and @high`,
    )
    .pluck();
  const buckets = db.prepare(bucketSql());
  return {
    page: ({ runner, from = BEGINNING, to = END, limit, after }) => {
      const end = after ?? { ts: to, heartbeatSeq: Number.MAX_SAFE_INTEGER };
      const rows = page.all({
        ...runnerParts(runner as RunnerId),
        from,
        to: end.ts,
        seq: end.heartbeatSeq,
        limit: limit + 1,
      }) as SnapshotView[];
      return withNext(rows, limit, (row) => ({ ts: row.ts, heartbeatSeq: row.heartbeat_seq }));
    },
    buckets: (query) => {
      const parts = runnerParts(query.runner as RunnerId);
      const rows = bucketRows(
        query,
        (low, high) => newest.get({ ...parts, low, high }) as number | null,
        (low, high) => buckets.all({ ...parts, low, high, everyMs: query.everyMs }) as BucketRow[],
      );
      const views = rows.map(bucketView);
      return withNext(views, query.limit, (view) => view.ts);
    },
  };
}

function withNext<Item, Position>(
  rows: readonly Item[],
  limit: number,
  positionOf: (row: Item) => Position,
): Omit<Page<Item, Position>, "seq"> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const hasMore = rows.length > limit && last !== undefined;
  return { items, next: hasMore ? positionOf(last) : undefined };
}

/**
 * Reads backwards in spans that hold as many buckets as are still wanted, jumping over gaps, so
 * that a page costs what it shows and not what is kept.
 */
function bucketRows(
  { everyMs, limit, after, from = BEGINNING, to = END }: BucketQuery,
  newestIn: (low: number, high: number) => number | null,
  bucketsIn: (low: number, high: number) => BucketRow[],
): BucketRow[] {
  const found: BucketRow[] = [];
  let high = after === undefined ? to : Math.min(to, after - 1);
  while (found.length <= limit && high >= from) {
    const newest = newestIn(from, high);
    if (newest === null) break;
    const newestStart = Math.floor(newest / everyMs) * everyMs;
    const low = newestStart - (limit - found.length) * everyMs;
    found.push(...bucketsIn(Math.max(from, low), high));
    high = low - 1;
  }
  return found;
}

function spread(row: BucketRow, figure: Figure): Spread | null {
  const [mean, min, max] = [row[`${figure}_mean`], row[`${figure}_min`], row[`${figure}_max`]];
  return mean === null || min === null || max === null ? null : { mean, min, max };
}

function bucketView(row: BucketRow): BucketView {
  const figures = Object.fromEntries(FIGURES.map((name) => [name, spread(row, name)]));
  return {
    ts: row.start,
    count: row.count,
    errors: row.errors,
    figures: figures as BucketView["figures"],
  };
}
