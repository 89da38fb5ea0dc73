/**
 * Lists processes: the two halves of `running_process` are read in the order of their common key,
 * a step at a time, and merged, so that a page costs what it holds and not what the table holds.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { longerInterval, processState } from "../core/current-process.ts";
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
import { tableName } from "./lanes.ts";
import type { Lane } from "./lanes.ts";
import type { ProcessHeartbeatRow, ProcessLifecycleRow } from "./tables.ts";

/** Keys that one step goes over where a filter may find little; others have their turn between. */
const STEP_KEYS = 5_000;

type Heard = Omit<ProcessHeartbeatRow, "kind" | "name" | "profile">;
type Announced = Omit<ProcessLifecycleRow, "kind" | "name" | "profile"> & {
  readonly effective_args: string | null;
  readonly effective_env: string | null;
};
type Key = Pick<Heard, "runner" | "host" | "pid" | "started_at">;

const START: Key = { runner: "", host: "", pid: 0, started_at: 0 };
/** After every runner's name. */
const END: Key = { runner: "~", host: "", pid: 0, started_at: 0 };
const KEY = "runner, host, pid, started_at";

export interface ProcessReader {
  /** `thresholdsOf`: of a runner, by its name. */
  page(
    query: ProcessQuery,
    moment: Moment,
    thresholdsOf: (runner: string) => { thresholds: Thresholds; intervalSec: number | null },
  ): Promise<Omit<Page<ProcessView, ProcessPosition>, "seq">>;
}

/** One half of `running_process`, in the order of the key. */
interface Half<Row> {
  /** The key that so many keys of this half lie up to; undefined where it has fewer left. */
  boundary(after: Key, keys: number): Key | undefined;
  /** The rows behind one key up to another that pass the filter. */
  between(after: Key, upTo: Key): Row[];
  at(key: Key): Row | undefined;
}

function halfOf<Row>(
  db: SqliteDatabase,
  table: string,
  { runner, host }: ProcessQuery,
  filter: string,
): Half<Row> {
  const ofRunner = runner === undefined ? "" : "and runner = @ofRunner";
  const ofHost = host === undefined ? "" : "and host = @ofHost";
  const behind = `where (${KEY}) > (@runner, @host, @pid, @started_at) ${ofRunner}`;
  const upTo = `and (${KEY}) <= (@toRunner, @toHost, @toPid, @toStart)`;
  const boundary = db.prepare(
    `select ${KEY} from ${table} ${behind} order by ${KEY} limit 1 offset @keys`,
  );
  const between = db.prepare(
    `select * from ${table} ${behind} ${upTo} ${ofHost} ${filter} order by ${KEY}`,
  );
  const at = db.prepare(
    `select * from ${table} where (${KEY}) = (@runner, @host, @pid, @started_at)`,
  );
  const wanted = runner === undefined ? {} : { ofRunner: runner };
  const wantedHost = host === undefined ? {} : { ofHost: host };
  return {
    boundary: (after, keys) =>
      boundary.get({ ...wanted, ...plain(after), keys: keys - 1 }) as Key | undefined,
    between: (after, to) =>
      between.all({
        ...wanted,
        ...wantedHost,
        ...plain(after),
        toRunner: to.runner,
        toHost: to.host,
        toPid: to.pid,
        toStart: to.started_at,
      }) as Row[],
    at: (key) => at.get(plain(key)) as Row | undefined,
  };
}

function plain({ runner, host, pid, started_at }: Key): Key {
  return { runner, host, pid, started_at };
}

function compareKeys(one: Key, other: Key): number {
  if (one.runner !== other.runner) return one.runner < other.runner ? -1 : 1;
  if (one.host !== other.host) return one.host < other.host ? -1 : 1;
  return one.pid - other.pid || one.started_at - other.started_at;
}

function lower(one: Key | undefined, other: Key | undefined): Key | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return compareKeys(one, other) < 0 ? one : other;
}

interface Pair {
  readonly key: Key;
  readonly heard: Heard | undefined;
  readonly announced: Announced | undefined;
}

function merge(heard: readonly Heard[], announced: readonly Announced[]): Pair[] {
  const pairs: Pair[] = [];
  let h = 0;
  let a = 0;
  for (;;) {
    const one = heard[h];
    const other = announced[a];
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

/** Reads the pairs behind a key, at most so many keys of each half at a time. */
type PairReader = (after: Key, keys: number) => { pairs: Pair[]; upTo: Key | undefined };

/** A process nobody announced is running: any other state is found in the announced half alone. */
function pairReader(db: SqliteDatabase, lane: Lane, query: ProcessQuery): PairReader {
  const { states } = query;
  const isAnnounced = states.length > 0 && !states.includes("running");
  const filter = isAnnounced ? `and state in (${states.map((state) => `'${state}'`).join()})` : "";
  const lifecycle = tableName("process_lifecycle", lane);
  const heartbeat = tableName("process_heartbeat", lane);
  const announced = halfOf<Announced>(db, lifecycle, query, filter);
  const heard = halfOf<Heard>(db, heartbeat, query, "");
  if (isAnnounced) {
    return (after, keys) => {
      const upTo = announced.boundary(after, keys);
      const rows = announced.between(after, upTo ?? END);
      return {
        pairs: rows.map((row) => ({ key: row, heard: heard.at(row), announced: row })),
        upTo,
      };
    };
  }
  return (after, keys) => {
    const upTo = lower(announced.boundary(after, keys), heard.boundary(after, keys));
    const end = upTo ?? END;
    return { pairs: merge(heard.between(after, end), announced.between(after, end)), upTo };
  };
}

export function processReader(db: SqliteDatabase, lane: Lane): ProcessReader {
  return {
    page: async (query, moment, thresholdsOf) => {
      const read = pairReader(db, lane, query);
      const hasFilter = query.states.length > 0 || query.host !== undefined;
      const keys = hasFilter ? STEP_KEYS : query.limit + 1;
      const found: ProcessView[] = [];
      let after: Key | undefined = query.after === undefined ? START : keyOf(query.after);
      while (after !== undefined && found.length <= query.limit) {
        const { pairs, upTo } = read(after, keys);
        for (const pair of pairs) {
          const view = processView(pair, moment, thresholdsOf);
          if (query.states.length === 0 || query.states.includes(view.state)) found.push(view);
        }
        after = upTo;
        await nextTurn();
      }
      return pageOf(found, query.limit);
    },
  };
}

function keyOf({ startedAt, ...rest }: ProcessPosition): Key {
  return { ...rest, started_at: startedAt };
}

function pageOf(
  found: readonly ProcessView[],
  limit: number,
): Omit<Page<ProcessView, ProcessPosition>, "seq"> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length <= limit || last === undefined) return { items, next: undefined };
  const { runner, host, pid, startedAt } = last;
  return { items, next: { runner, host, pid, startedAt } };
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
    intervalSec: longerInterval(intervalSec, heard?.interval_sec ?? null),
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
