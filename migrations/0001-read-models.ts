import { sql } from "kysely";
import type { Kysely } from "kysely";

/** The status tables exist twice: once as the truth, once (`fast_`) for a cold start. */
async function createStatusTables(db: Kysely<unknown>, prefix: string): Promise<void> {
  const runner = sql.raw(
    "runner text not null, kind text not null, name text not null, profile text not null",
  );
  const folded = sql.raw("first_seq integer not null, last_seq integer not null");
  const table = (name: string) => sql.raw(`${prefix}${name}`);
  await sql`create table ${table("process_heartbeat")} (
    ${runner}, host text not null, pid integer not null, started_at integer not null,
    first_heartbeat_at integer not null, last_heartbeat_at integer not null,
    last_error text not null, last_error_at integer, interval_sec real,
    heartbeat_count integer not null, ${folded},
    primary key (runner, host, pid, started_at)) without rowid`.execute(db);
  await sql`create table ${table("process_lifecycle")} (
    ${runner}, host text not null, pid integer not null, started_at integer not null,
    state text not null, effective_args text, effective_env text, attempt integer not null,
    announced_at integer not null, exit_code integer, signal text, ended_at integer,
    end_reason text, ${folded},
    primary key (runner, host, pid, started_at)) without rowid`.execute(db);
  await sql`create index ${table("process_lifecycle_changes")}
    on ${table("process_lifecycle")} (last_seq)`.execute(db);
  await sql`create table ${table("latest_heartbeat")} (
    ${runner}, host text not null, pid integer not null, started_at integer not null,
    clock_offset_ms integer not null, process_first_at integer not null,
    beating_since integer not null, last_heartbeat_at integer not null, ts integer, seq integer,
    interval_sec real, health text, fps real, detected real, matched real, latency_ms real,
    last_error text not null, last_error_at integer, camera_state text, checks text, metrics text,
    labels text, resources text, detail text, heavy_at integer, heavy_seq integer,
    rival_at integer, rival_host text, rival_pid integer, rival_started_at integer,
    superseded text, ${folded}, primary key (runner))`.execute(db);
  await sql`create index ${table("latest_heartbeat_changes")}
    on ${table("latest_heartbeat")} (last_seq)`.execute(db);
  await sql`create table ${table("restart_state")} (
    ${runner}, attempt_count integer not null, last_attempt_at integer, last_failure_reason text,
    cooldown_until integer, paused integer not null, retired integer not null,
    registered_at integer, registered_host text, registered_pid integer, labels text,
    spawn_count integer not null, ${folded}, primary key (runner)) without rowid`.execute(db);
  await sql`create index ${table("restart_state_changes")}
    on ${table("restart_state")} (last_seq)`.execute(db);
  await createRunningProcess(db, prefix);
}

/**
 * `running_process` joins what heartbeats say of a process with what events say. Each half is
 * folded from its own stream into its own table, so no interleaving of the two can matter.
 */
async function createRunningProcess(db: Kysely<unknown>, prefix: string): Promise<void> {
  const table = (name: string) => sql.raw(`${prefix}${name}`);
  await sql`create view ${table("running_process")} as
    select
      coalesce(l.runner, h.runner) as runner, coalesce(l.kind, h.kind) as kind,
      coalesce(l.name, h.name) as name, coalesce(l.profile, h.profile) as profile,
      coalesce(l.host, h.host) as host, coalesce(l.pid, h.pid) as pid,
      coalesce(l.started_at, h.started_at) as started_at,
      case
        when l.state is null then 'running'
        when l.state = 'starting' and h.runner is not null then 'running'
        when l.state = 'lost' and h.last_heartbeat_at > l.ended_at + 2000 then 'running'
        else l.state
      end as state,
      l.effective_args as effective_args, l.effective_env as effective_env,
      case when l.runner is null then 0 else 1 end as managed,
      l.attempt as attempt, l.announced_at as announced_at,
      h.first_heartbeat_at as first_heartbeat_at, h.last_heartbeat_at as last_heartbeat_at,
      coalesce(h.last_error, '') as last_error, h.last_error_at as last_error_at,
      h.interval_sec as interval_sec,
      l.exit_code as exit_code, l.signal as signal, l.ended_at as ended_at,
      l.end_reason as end_reason,
      coalesce(h.heartbeat_count, 0) as heartbeat_count,
      (select count(*) from ${table("process_lifecycle")} e
        where e.runner = l.runner and e.first_seq < l.first_seq) as restarts
    from ${table("process_lifecycle")} l
    full outer join ${table("process_heartbeat")} h
      on h.runner = l.runner and h.host = l.host and h.pid = l.pid
      and h.started_at = l.started_at`.execute(db);
}

async function createHistoryTables(db: Kysely<unknown>): Promise<void> {
  await sql`create table runner_heartbeat (
    runner text not null, kind text not null, name text not null, profile text not null,
    stream_seq integer primary key, heartbeat_seq integer not null, ts integer not null,
    host text not null, pid integer not null, started_at integer not null, health text,
    fps real, detected real, matched real, latency_ms real, last_error text not null,
    seq integer)`.execute(db);
  await sql`create index runner_heartbeat_latest
    on runner_heartbeat (kind, name, profile, ts desc)`.execute(db);
  await sql`create table timeline (
    runner text not null, kind text not null, name text not null, profile text not null,
    stream_seq integer primary key, time integer not null, type text not null, "by" text not null,
    at integer, data text)`.execute(db);
  await sql`create index timeline_runner on timeline (runner, stream_seq)`.execute(db);
  await sql`create index timeline_type on timeline (type, stream_seq)`.execute(db);
  await sql`create index timeline_time on timeline (time)`.execute(db);
  await sql`create table quarantine (
    stream_seq integer primary key, time integer not null, reason text not null,
    source_stream text not null, source_seq integer not null, subject text not null,
    bytes integer not null, payload text not null, message text not null, state text not null,
    resolved_by text, resolved_at integer)`.execute(db);
}

async function createBookkeeping(db: Kysely<unknown>): Promise<void> {
  await sql`create table checkpoint (
    projection text not null, version integer not null, partition integer not null,
    lane text not null, stream text not null, stream_created text not null, seq integer not null,
    time integer not null, state text not null, error text, error_seq integer, notice text,
    notice_at integer, updated_at integer not null,
    primary key (projection, version, partition, lane)) without rowid`.execute(db);
  await sql`create table lane (lane text primary key, active integer not null) without rowid`.execute(
    db,
  );
  await sql`insert into lane (lane, active) values ('main', 1), ('fast', 0)`.execute(db);
}

export async function up(db: Kysely<unknown>): Promise<void> {
  await createStatusTables(db, "");
  await createStatusTables(db, "fast_");
  await createHistoryTables(db);
  await createBookkeeping(db);
}
