/** Mirrors the streams' retention in the tables of history: what a stream dropped, a table drops. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import type { SqliteDatabase } from "../store/open.ts";

/** How soon tables follow a stream that was pruned. */
const EVERY_MS = 1_000;
/** Processes are looked through less often: that takes a scan. */
const PROCESSES_EVERY_MS = 30_000;
/** A batch that was read before messages were removed is written within this time after it. */
const LATE_ROWS_MS = 10_000;
/** Rows deleted in one transaction, so that folding never waits long. */
const MAX_ROWS = 5_000;

/** Deletes some rows that the stream no longer holds; returns how many, undefined: did not look. */
type Trim = (firstSeq: number) => number | undefined;

type Trims = Record<"heartbeats" | "snapshots" | "events" | "quarantine" | "alerts", Trim[]>;

/** Runs at most once in a while. */
function seldom(trim: Trim): Trim {
  let nextMs = 0;
  return (firstSeq) => {
    if (performance.now() < nextMs) return undefined;
    nextMs = performance.now() + PROCESSES_EVERY_MS;
    return trim(firstSeq);
  };
}

function trims(db: SqliteDatabase): Trims {
  const trim = (sql: string): Trim => {
    const statement = db.prepare(sql);
    return (firstSeq) => statement.run(firstSeq, MAX_ROWS).changes;
  };
  const history = (table: string) =>
    trim(`delete from ${table} where stream_seq in
      (select stream_seq from ${table} where stream_seq < ? order by stream_seq limit ?)`);
  const ended = (table: string, seq: string) =>
    trim(`delete from ${table} where id in
      (select id from ${table} where ${seq} < ? order by ${seq} limit ?)`);
  return {
    snapshots: [history("runner_heartbeat")],
    events: [history("timeline"), seldom(trim(ENDED_PROCESSES))],
    alerts: [ended("alert", "last_seq"), ended("silence", "last_seq")],
    quarantine: [history("quarantine")],
    heartbeats: [seldom(trim(OLD_PROCESSES))],
  };
}

/** Processes of which no heartbeat is left, but for each runner's current one. */
const OLD_PROCESSES = `delete from process_heartbeat where (runner, host, pid, started_at) in
  (select p.runner, p.host, p.pid, p.started_at from process_heartbeat p
    where p.last_seq < ? and not exists (select 1 from latest_heartbeat l
      where l.runner = p.runner and l.pid = p.pid) limit ?)`;

/** Ended processes of which no event is left, but for the last one of each runner. */
const ENDED_PROCESSES = `delete from process_lifecycle where (runner, host, pid, started_at) in
  (select p.runner, p.host, p.pid, p.started_at from process_lifecycle p
    where p.last_seq < ? and exists (select 1 from process_lifecycle n
      where n.runner = p.runner and n.first_seq > p.first_seq) limit ?)`;

export interface RetentionOptions {
  readonly jsm: JetStreamManager;
  readonly db: SqliteDatabase;
  readonly prefixes: Prefixes;
  readonly log: Logger;
}

/** Starts to mirror. */
export function startRetention(options: RetentionOptions): { close(): Promise<void> } {
  const { jsm, db, prefixes, log } = options;
  const byStream = trims(db);
  // A table that a rebuild has exchanged is looked through again.
  const generation = db.prepare("select sum(generation) from checkpoint").pluck();
  /** Since when there was nothing to delete up to which sequence, by stream. */
  const quiet = new Map<string, { firstSeq: number; sinceMs: number }>();
  const timer = setInterval(() => void pass(), EVERY_MS);
  let running: Promise<void> | undefined;
  let isClosed = false;

  function pass(): Promise<void> {
    running ??= trimAll()
      .catch((error: unknown) => log.debug(`retention is not mirrored now: ${messageOf(error)}`))
      .finally(() => {
        running = undefined;
      });
    return running;
  }

  async function trimAll(): Promise<void> {
    for (const [key, list] of Object.entries(byStream)) {
      if (isClosed) return;
      const name = streamName(prefixes, key as StreamKey);
      const { state, created } = await jsm.streams.info(name);
      const mark = `${name}|${created}|${generation.get() as number | null}`;
      if (isClosed || isQuiet(mark, state.first_seq)) continue;
      const deleted = list.map((trim) => trim(state.first_seq));
      if (deleted.some((count) => count !== 0)) quiet.delete(mark);
    }
  }

  function isQuiet(mark: string, firstSeq: number): boolean {
    const now = performance.now();
    const last = quiet.get(mark);
    if (last?.firstSeq === firstSeq) return now - last.sinceMs > LATE_ROWS_MS;
    quiet.set(mark, { firstSeq, sinceMs: now });
    return false;
  }

  return {
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await running;
    },
  };
}
