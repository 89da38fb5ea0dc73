/**
 * Lists processes: the two halves of `running_process` are read in the order of their common key,
 * a slice at a time, and merged, so that a page costs what it holds and not what the table holds.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { processState } from "../core/current-process.ts";
import type {
  Moment,
  Page,
  ProcessPosition,
  ProcessQuery,
  ProcessView,
} from "../core/read-models.ts";
import { statusOf } from "../core/status.ts";
import type { Thresholds } from "../core/status.ts";
import type { SqliteDatabase } from "./open.ts";
import { tableName } from "./tables.ts";
import type { Lane, ProcessHeartbeatRow, ProcessLifecycleRow } from "./tables.ts";

/** Rows of each half that are read at a time; between slices others have their turn. */
const SLICE_ROWS = 1_000;

type Heard = Omit<ProcessHeartbeatRow, "kind" | "name" | "profile">;
type Announced = Omit<ProcessLifecycleRow, "kind" | "name" | "profile"> & {
  readonly effective_args: string | null;
  readonly effective_env: string | null;
};
type Key = Pick<Heard, "runner" | "host" | "pid" | "started_at">;

interface Halves {
  heard(after: ProcessPosition, limit: number): Heard[];
  announced(after: ProcessPosition, limit: number): Announced[];
}

export interface ProcessReader {
  /** `thresholdsOf`: of a runner, by its name. */
  page(
    query: ProcessQuery,
    moment: Moment,
    thresholdsOf: (runner: string) => { thresholds: Thresholds; intervalSec: number | null },
  ): Promise<Omit<Page<ProcessView, ProcessPosition>, "seq">>;
}

const START: ProcessPosition = { runner: "", host: "", pid: 0, startedAt: 0 };

function halfReader(db: SqliteDatabase, table: string, query: ProcessQuery) {
  const ofRunner = query.runner === undefined ? "" : "and runner = @ofRunner";
  const ofHost = query.host === undefined ? "" : "and host = @ofHost";
  const statement = db.prepare(`select * from ${table}
    where (runner, host, pid, started_at) > (@runner, @host, @pid, @startedAt) ${ofRunner} ${ofHost}
    order by runner, host, pid, started_at limit @limit`);
  const fixed = { ofRunner: query.runner ?? "", ofHost: query.host ?? "" };
  return (after: ProcessPosition, limit: number): unknown[] =>
    statement.all({ ...fixed, ...after, limit });
}

function halvesOf(db: SqliteDatabase, lane: Lane, query: ProcessQuery): Halves {
  const heard = halfReader(db, tableName("process_heartbeat", lane), query);
  const announced = halfReader(db, tableName("process_lifecycle", lane), query);
  return {
    heard: (after, limit) => heard(after, limit) as Heard[],
    announced: (after, limit) => announced(after, limit) as Announced[],
  };
}

function compareKeys(one: Key, other: Key): number {
  if (one.runner !== other.runner) return one.runner < other.runner ? -1 : 1;
  if (one.host !== other.host) return one.host < other.host ? -1 : 1;
  return one.pid - other.pid || one.started_at - other.started_at;
}

interface Pair {
  readonly key: Key;
  readonly heard: Heard | undefined;
  readonly announced: Announced | undefined;
}

/** Merges two slices as far as both reach; where one ended early, the other's rest is unknown. */
function mergeSlices(
  heard: readonly Heard[],
  announced: readonly Announced[],
  isFull: (rows: readonly unknown[]) => boolean,
): Pair[] {
  const pairs: Pair[] = [];
  let h = 0;
  let a = 0;
  for (;;) {
    const one = heard[h];
    const other = announced[a];
    if (one === undefined && (other === undefined || isFull(heard))) return pairs;
    if (other === undefined && isFull(announced)) return pairs;
    const order = one === undefined ? 1 : other === undefined ? -1 : compareKeys(one, other);
    const key = order <= 0 ? one : other;
    if (key === undefined) return pairs;
    pairs.push({
      key,
      heard: order <= 0 ? one : undefined,
      announced: order >= 0 ? other : undefined,
    });
    if (order <= 0) h += 1;
    if (order >= 0) a += 1;
  }
}

function positionOf(key: Key): ProcessPosition {
  return { runner: key.runner, host: key.host, pid: key.pid, startedAt: key.started_at };
}

export function processReader(db: SqliteDatabase, lane: Lane): ProcessReader {
  return {
    page: async (query, moment, thresholdsOf) => {
      const halves = halvesOf(db, lane, query);
      const found: ProcessView[] = [];
      // Of few, few are read; a filter that finds little reads on in full slices.
      let sliceRows = Math.min(query.limit + 1, SLICE_ROWS);
      let after = query.after ?? START;
      for (;;) {
        const isFull = (rows: readonly unknown[]): boolean => rows.length === sliceRows;
        const heard = halves.heard(after, sliceRows);
        const announced = halves.announced(after, sliceRows);
        const pairs = mergeSlices(heard, announced, isFull);
        for (const pair of pairs) {
          const view = processView(pair, moment, thresholdsOf);
          if (query.states.length > 0 && !query.states.includes(view.state)) continue;
          found.push(view);
          if (found.length > query.limit) return pageOf(found, query.limit);
        }
        const last = pairs.at(-1);
        if (last === undefined || !(isFull(heard) || isFull(announced))) {
          return pageOf(found, query.limit);
        }
        after = positionOf(last.key);
        sliceRows = SLICE_ROWS;
        await nextTurn();
      }
    },
  };
}

function pageOf(
  found: readonly ProcessView[],
  limit: number,
): Omit<Page<ProcessView, ProcessPosition>, "seq"> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, next: found.length > limit && last !== undefined ? { ...last } : undefined };
}

function processView(
  { key, heard, announced }: Pair,
  { now, view }: Moment,
  thresholdsOf: Parameters<ProcessReader["page"]>[2],
): ProcessView {
  const lastHeartbeatAt = heard?.last_heartbeat_at ?? null;
  const { thresholds, intervalSec } = thresholdsOf(key.runner);
  const liveness = {
    lastHeartbeatAt,
    beatingSince: heard?.first_heartbeat_at ?? null,
    intervalSec: intervalSec ?? heard?.interval_sec ?? null,
    spawnedAt: announced?.announced_at ?? null,
    endedAt: announced?.ended_at ?? null,
    declaredAt: null,
  };
  return {
    runner: key.runner,
    host: key.host,
    pid: key.pid,
    startedAt: key.started_at,
    state: processState(announced, lastHeartbeatAt),
    status: statusOf(liveness, now, thresholds, view),
    managed: announced !== undefined,
    effectiveArgs: announced?.effective_args ?? null,
    effectiveEnv: announced?.effective_env ?? null,
    lastHeartbeatAt,
    lastError: heard?.last_error ?? "",
    lastErrorAt: heard?.last_error_at ?? null,
    exitCode: announced?.exit_code ?? null,
    signal: announced?.signal ?? null,
    endedAt: announced?.ended_at ?? null,
    endReason: announced?.end_reason ?? null,
    heartbeatCount: heard?.heartbeat_count ?? 0,
  };
}
