/** Lists of what came on a stream, newest first: events, and messages that were rejected. */
import type {
  Page,
  QuarantineQuery,
  QuarantineView,
  Span,
  TimelineQuery,
  TimelineView,
} from "../core/read-models.ts";
import type { SqliteDatabase } from "./open.ts";

/** A page of rejected messages holds at most this much of them: each may be a megabyte. */
const MAX_PAGE_PAYLOAD_BYTES = 4 * 1024 * 1024;

export interface TimelineReader {
  page(query: TimelineQuery): Omit<Page<TimelineView, number>, "seq">;
  /** Oldest first. */
  after(seq: number, limit: number): TimelineView[];
}

export interface QuarantineReader {
  page(query: QuarantineQuery): Omit<Page<QuarantineView, number>, "seq">;
}

/** Sequences rise with time, so a span of time is a span of sequences. */
function seqSpan(db: SqliteDatabase, table: string) {
  const first = db
    .prepare(`select stream_seq from ${table} where time >= ? order by time, stream_seq limit 1`)
    .pluck();
  const last = db
    .prepare(
      `select stream_seq from ${table} where time <= ? order by time desc, stream_seq desc limit 1`,
    )
    .pluck();
  return ({ from, to }: Span): { low: number; high: number } => ({
    low: from === undefined ? 0 : ((first.get(from) as number | undefined) ?? Infinity),
    high: to === undefined ? Infinity : ((last.get(to) as number | undefined) ?? -1),
  });
}

/** Infinity is no number to SQLite. */
function limited(seq: number): number {
  return Math.min(seq, Number.MAX_SAFE_INTEGER);
}

function clamp({ low, high }: { low: number; high: number }, after: number | undefined) {
  const top = after === undefined ? high : Math.min(high, after - 1);
  return { low: limited(low), high: limited(top) };
}

const TIMELINE = `select stream_seq, time, runner, type, "by", data from timeline
  where stream_seq between @low and @high`;
const NEWEST = "order by stream_seq desc limit @limit";

/** Each wanted type is read by its own index; the newest of all of them make the page. */
function timelineSql(types: number, ofRunner: boolean): string {
  if (ofRunner) {
    const wanted = types === 0 ? "" : "and type in (select value from json_each(@types))";
    return `${TIMELINE} and runner = @runner ${wanted} ${NEWEST}`;
  }
  if (types === 0) return `${TIMELINE} ${NEWEST}`;
  const parts = Array.from(
    { length: types },
    (_, index) => `select * from (${TIMELINE} and type = @type${index} ${NEWEST})`,
  );
  return `${parts.join(" union all ")} ${NEWEST}`;
}

export function timelineReader(db: SqliteDatabase): TimelineReader {
  const spanOf = seqSpan(db, "timeline");
  const after = db.prepare(`select stream_seq, time, runner, type, "by", data from timeline
    where stream_seq > ? order by stream_seq limit ?`);
  return {
    after: (seq, limit) => after.all(seq, limit) as TimelineView[],
    page: ({ runner, types, limit, after: before, ...span }) => {
      const named = Object.fromEntries(types.map((type, index) => [`type${index}`, type]));
      const values = {
        ...clamp(spanOf(span), before),
        ...(runner === undefined ? named : { runner, types: JSON.stringify(types) }),
        limit: limit + 1,
      };
      const sql = timelineSql(types.length, runner !== undefined);
      const rows = db.prepare(sql).all(values) as TimelineView[];
      return newestFirst(rows, limit);
    },
  };
}

export function quarantineReader(db: SqliteDatabase): QuarantineReader {
  const statement = db.prepare(`select * from quarantine
    where stream_seq between @low and @high and time >= @from and time <= @to
      and (@reasons = '[]' or reason in (select value from json_each(@reasons)))
      and (@states = '[]' or state in (select value from json_each(@states)))
    order by stream_seq desc`);
  return {
    page: ({ reasons, states, limit, after, from, to }) => {
      const rows = statement.iterate({
        ...clamp({ low: 0, high: Infinity }, after),
        from: from ?? 0,
        to: to ?? Number.MAX_SAFE_INTEGER,
        reasons: JSON.stringify(reasons),
        states: JSON.stringify(states),
      }) as IterableIterator<QuarantineView>;
      return takeWithin(rows, limit);
    },
  };
}

/** A page of so many rows, or of fewer where their payloads are large. */
function takeWithin(
  rows: Iterable<QuarantineView>,
  limit: number,
): Omit<Page<QuarantineView, number>, "seq"> {
  const items: QuarantineView[] = [];
  let bytes = 0;
  for (const row of rows) {
    const isFull = items.length === limit || (items.length > 0 && bytes > MAX_PAGE_PAYLOAD_BYTES);
    if (isFull) return { items, next: items.at(-1)?.stream_seq };
    items.push(row);
    bytes += row.bytes;
  }
  return { items, next: undefined };
}

function newestFirst<Row extends { readonly stream_seq: number }>(
  rows: readonly Row[],
  limit: number,
): Omit<Page<Row, number>, "seq"> {
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? items.at(-1)?.stream_seq : undefined };
}
