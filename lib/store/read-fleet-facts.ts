/**
 * What the fleet in memory keeps of each runner, read from the status tables of one lane: all of
 * it in slices, in the order in which it lies on disk, then only what has changed, by stream
 * sequence.
 */
import type { Health } from "../core/heartbeat.ts";
import type { BeatFacts, RestartRow } from "../core/read-models.ts";
import type { SqliteDatabase } from "./open.ts";
import { tableName } from "./lanes.ts";
import type { ServedLane } from "./lanes.ts";
import { shapedRows } from "./shaped-rows.ts";
import type { ProcessLifecycleRow } from "./tables.ts";

/** Rows read at a time. */
export const SLICE_ROWS = 500;

const BEAT_COLUMNS = [
  "runner",
  "host",
  "pid",
  "started_at",
  "clock_offset_ms",
  "process_first_at",
  "beating_since",
  "last_heartbeat_at",
  "interval_sec",
  "health",
  "labels",
  "rival_at",
  "last_seq",
] as const;

const ANNOUNCED_COLUMNS = [
  "runner",
  "host",
  "pid",
  "started_at",
  "state",
  "announced_at",
  "ended_at",
  "exit_code",
  "signal",
  "end_reason",
  "first_seq",
  "last_seq",
] as const;

const RESTART_COLUMNS = [
  "runner",
  "attempt_count",
  "last_attempt_at",
  "last_failure_reason",
  "cooldown_until",
  "paused",
  "retired",
  "registered_at",
  "registered_host",
  "registered_pid",
  "labels",
  "last_seq",
] as const;

export interface NamedBeat extends BeatFacts {
  readonly runner: string;
}

/** Columns as an array: at 10,000 changed rows a second, naming them all would cost the most. */
type BeatTuple = [
  runner: string,
  host: string,
  pid: number,
  startedAt: number,
  clockOffsetMs: number,
  processFirstAt: number,
  beatingSince: number,
  lastHeartbeatAt: number,
  intervalSec: number | null,
  health: Health | null,
  labels: string | null,
  rivalAt: number | null,
  lastSeq: number,
];

function beatOf(row: BeatTuple): NamedBeat {
  return {
    runner: row[0],
    host: row[1],
    pid: row[2],
    started_at: row[3],
    clock_offset_ms: row[4],
    process_first_at: row[5],
    beating_since: row[6],
    last_heartbeat_at: row[7],
    interval_sec: row[8],
    health: row[9],
    labels: row[10],
    rival_at: row[11],
    last_seq: row[12],
  };
}

type AnnouncedColumns = Pick<ProcessLifecycleRow, (typeof ANNOUNCED_COLUMNS)[number]>;

export interface AnnouncedFacts extends AnnouncedColumns {
  /** How many processes of the runner were announced before it. */
  readonly before: number;
}

export interface RestartFacts extends RestartRow {
  readonly runner: string;
  readonly last_seq: number;
}

/** The last sequences seen of each table: everything above them is new. */
export interface Watermarks {
  beats: number;
  announced: number;
  restarts: number;
}

interface FactReader<Facts> {
  slices(): Generator<Facts[], void, void>;
  /** The next rows that changed, at most one slice. */
  changedSince(seq: number): Facts[];
  count(): number;
  lastSeq(): number;
}

export interface FleetFacts {
  readonly lane: ServedLane;
  readonly beats: FactReader<NamedBeat> & { ofRunner(runner: string): NamedBeat | undefined };
  /** Processes, a runner's together. */
  readonly announced: Omit<FactReader<AnnouncedFacts>, "slices" | "changedSince"> & {
    slices(): Generator<AnnouncedFacts[][], void, void>;
    changedSince(seq: number): AnnouncedColumns[];
    ofRunner(runner: string): AnnouncedFacts[];
  };
  readonly restarts: FactReader<RestartFacts>;
  watermarks(): Watermarks;
}

function changeReader<Facts extends object>(
  db: SqliteDatabase,
  table: string,
  columns: readonly (keyof Facts & string)[],
) {
  const changed = shapedRows<Facts>(
    db.prepare(
      `select ${columns.join(", ")} from ${table} where last_seq > ? order by last_seq limit ?`,
    ),
    columns,
  );
  const count = db.prepare(`select count(*) from ${table}`).pluck();
  const last = db.prepare(`select coalesce(max(last_seq), 0) from ${table}`).pluck();
  return {
    changedSince: (seq: number) => changed.all(seq, SLICE_ROWS),
    count: () => count.get() as number,
    lastSeq: () => last.get() as number,
  };
}

/** Reads a whole table slice by slice; `next` gives the rows that follow the last one. */
function* slices<Row>(
  next: (last: Row | undefined) => Row[],
): Generator<Row[], Row | undefined, void> {
  let last: Row | undefined;
  for (;;) {
    const rows = next(last);
    if (rows.length === 0) return last;
    last = rows.at(-1);
    yield rows;
  }
}

function beatReader(db: SqliteDatabase, lane: ServedLane): FleetFacts["beats"] {
  const table = tableName("latest_heartbeat", lane);
  const columns = BEAT_COLUMNS.join(", ");
  const slice = db
    .prepare(`select ${columns}, rowid from ${table} where rowid > ? order by rowid limit ?`)
    .raw();
  const one = db.prepare(`select ${columns} from ${table} where runner = ?`).raw();
  const changed = db
    .prepare(`select ${columns} from ${table} where last_seq > ? order by last_seq limit ?`)
    .raw();
  type Placed = [...BeatTuple, rowid: number];
  const next = (last: Placed | undefined): Placed[] =>
    slice.all(last?.[13] ?? 0, SLICE_ROWS) as Placed[];
  return {
    ...changeReader<NamedBeat>(db, table, BEAT_COLUMNS),
    changedSince: (seq) => (changed.all(seq, SLICE_ROWS) as BeatTuple[]).map(beatOf),
    *slices() {
      for (const rows of slices<Placed>(next))
        yield rows.map((row) => beatOf(row as unknown as BeatTuple));
    },
    ofRunner: (runner) => {
      const row = one.get(runner) as BeatTuple | undefined;
      return row === undefined ? undefined : beatOf(row);
    },
  };
}

function announcedReader(db: SqliteDatabase, lane: ServedLane): FleetFacts["announced"] {
  const table = tableName("process_lifecycle", lane);
  const columns = ANNOUNCED_COLUMNS.join(", ");
  const slice = shapedRows<AnnouncedColumns>(
    db.prepare(`select ${columns} from ${table}
      where (runner, host, pid, started_at) > (?, ?, ?, ?)
      order by runner, host, pid, started_at limit ?`),
    ANNOUNCED_COLUMNS,
  );
  const one = shapedRows<AnnouncedColumns>(
    db.prepare(`select ${columns} from ${table} where runner = ? order by first_seq`),
    ANNOUNCED_COLUMNS,
  );
  const start = { runner: "", host: "", pid: 0, started_at: 0 };
  const next = ({ runner, host, pid, started_at } = start): AnnouncedColumns[] =>
    slice.all(runner, host, pid, started_at, SLICE_ROWS);
  return {
    ...changeReader<AnnouncedColumns>(db, table, ANNOUNCED_COLUMNS),
    *slices() {
      let open: AnnouncedColumns[] = [];
      for (const rows of slices<AnnouncedColumns>((last) => next(last))) {
        const groups = groupByRunner([...open, ...rows]);
        // The last runner's rows may go on in the next slice.
        open = groups.pop() ?? [];
        yield groups.map(inOrder);
      }
      if (open.length > 0) yield [inOrder(open)];
    },
    ofRunner: (runner) => numbered(one.all(runner)),
  };
}

function groupByRunner(rows: readonly AnnouncedColumns[]): AnnouncedColumns[][] {
  const groups: AnnouncedColumns[][] = [];
  for (const row of rows) {
    const group = groups.at(-1);
    if (group?.[0]?.runner === row.runner) group.push(row);
    else groups.push([row]);
  }
  return groups;
}

function inOrder(rows: AnnouncedColumns[]): AnnouncedFacts[] {
  return numbered(rows.toSorted((one, other) => one.first_seq - other.first_seq));
}

function numbered(rows: readonly AnnouncedColumns[]): AnnouncedFacts[] {
  return rows.map((row, before) => Object.assign(row, { before }));
}

function restartReader(db: SqliteDatabase, lane: ServedLane): FleetFacts["restarts"] {
  const table = tableName("restart_state", lane);
  const slice = shapedRows<RestartFacts>(
    db.prepare(
      `select ${RESTART_COLUMNS.join(", ")} from ${table} where runner > ? order by runner limit ?`,
    ),
    RESTART_COLUMNS,
  );
  return {
    ...changeReader<RestartFacts>(db, table, RESTART_COLUMNS),
    *slices() {
      yield* slices<RestartFacts>((last) => slice.all(last?.runner ?? "", SLICE_ROWS));
    },
  };
}

export function fleetFacts(db: SqliteDatabase, lane: ServedLane): FleetFacts {
  const beats = beatReader(db, lane);
  const announced = announcedReader(db, lane);
  const restarts = restartReader(db, lane);
  return {
    lane,
    beats,
    announced,
    restarts,
    watermarks: () => ({
      beats: beats.lastSeq(),
      announced: announced.lastSeq(),
      restarts: restarts.lastSeq(),
    }),
  };
}
