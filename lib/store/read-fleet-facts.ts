/**
 * What the fleet in memory keeps of each runner, read from the status tables of one lane: all of
 * it in slices by name, then only what has changed, by stream sequence.
 */
import type { SqliteDatabase } from "./open.ts";
import { tableName } from "./tables.ts";
import type { Lane, LatestHeartbeatRow, ProcessLifecycleRow, RestartStateRow } from "./tables.ts";

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
  "retired",
  "registered_at",
  "registered_host",
  "labels",
  "paused",
  "last_seq",
] as const;

export type BeatFacts = Omit<Pick<LatestHeartbeatRow, (typeof BEAT_COLUMNS)[number]>, "labels"> & {
  readonly labels: string | null;
};

type AnnouncedColumns = Pick<ProcessLifecycleRow, (typeof ANNOUNCED_COLUMNS)[number]>;

export interface AnnouncedFacts extends AnnouncedColumns {
  /** How many processes of the runner were announced before it. */
  readonly before: number;
}

export type RestartFacts = Omit<
  Pick<RestartStateRow, (typeof RESTART_COLUMNS)[number]>,
  "labels"
> & { readonly labels: string | null };

/** The last sequences seen of each table: everything above them is new. */
export interface Watermarks {
  beats: number;
  announced: number;
  restarts: number;
}

/** One kind of facts: a slice of all by name, or the next ones that changed. */
interface FactReader<Facts> {
  slice(afterRunner: string, limit: number): Facts[];
  changedSince(seq: number, limit: number): Facts[];
  ofRunner(runner: string): Facts[];
  count(): number;
  lastSeq(): number;
}

export interface FleetFacts {
  readonly lane: Lane;
  readonly beats: FactReader<BeatFacts>;
  readonly announced: Omit<FactReader<AnnouncedColumns>, "slice" | "ofRunner"> & {
    /** Names of the next runners that have any. */
    runners(afterRunner: string, limit: number): { runner: string }[];
    ofRunner(runner: string): AnnouncedFacts[];
  };
  readonly restarts: FactReader<RestartFacts>;
  watermarks(): Watermarks;
}

function factReader<Facts>(
  db: SqliteDatabase,
  table: string,
  columns: readonly string[],
): FactReader<Facts> {
  const list = columns.join(", ");
  const slice = db.prepare(`select ${list} from ${table} where runner > ? order by runner limit ?`);
  const changed = db.prepare(
    `select ${list} from ${table} where last_seq > ? order by last_seq limit ?`,
  );
  const one = db.prepare(`select ${list} from ${table} where runner = ?`);
  const count = db.prepare(`select count(*) from ${table}`).pluck();
  const last = db.prepare(`select coalesce(max(last_seq), 0) from ${table}`).pluck();
  return {
    slice: (after, limit) => slice.all(after, limit) as Facts[],
    changedSince: (seq, limit) => changed.all(seq, limit) as Facts[],
    ofRunner: (runner) => one.all(runner) as Facts[],
    count: () => count.get() as number,
    lastSeq: () => last.get() as number,
  };
}

export function fleetFacts(db: SqliteDatabase, lane: Lane): FleetFacts {
  const lifecycle = tableName("process_lifecycle", lane);
  const beats = factReader<BeatFacts>(db, tableName("latest_heartbeat", lane), BEAT_COLUMNS);
  const announced = factReader<AnnouncedColumns>(db, lifecycle, ANNOUNCED_COLUMNS);
  const restarts = factReader<RestartFacts>(db, tableName("restart_state", lane), RESTART_COLUMNS);
  const runners = db.prepare(
    `select distinct runner from ${lifecycle} where runner > ? order by runner limit ?`,
  );
  const ofRunner = db.prepare(
    `select ${ANNOUNCED_COLUMNS.join(", ")} from ${lifecycle} where runner = ? order by first_seq`,
  );
  return {
    lane,
    beats,
    announced: {
      changedSince: announced.changedSince,
      count: announced.count,
      lastSeq: announced.lastSeq,
      runners: (after, limit) => runners.all(after, limit) as { runner: string }[],
      ofRunner: (runner) =>
        (ofRunner.all(runner) as AnnouncedColumns[]).map((row, before) => ({ ...row, before })),
    },
    restarts,
    watermarks: () => ({
      beats: beats.lastSeq(),
      announced: announced.lastSeq(),
      restarts: restarts.lastSeq(),
    }),
  };
}
