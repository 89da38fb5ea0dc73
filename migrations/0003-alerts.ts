import { sql } from "kysely";
import type { Kysely } from "kysely";

/** What the ALERTS stream is folded into. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table alert (
    id text primary key, type text not null, severity text not null, group_name text not null,
    title text not null, state text not null, opened_at integer not null,
    updated_at integer not null, resolved_at integer, silenced integer not null,
    members text not null, member_count integer not null, revision integer not null,
    first_seq integer not null, last_seq integer not null) without rowid`.execute(db);
  await sql`create index alert_newest on alert (first_seq)`.execute(db);
  await sql`create table silence (
    id text primary key, pattern text not null, starts_at integer not null,
    ends_at integer not null, reason text not null, "by" text not null,
    created_at integer not null, lifted_at integer, lifted_by text,
    first_seq integer not null, last_seq integer not null) without rowid`.execute(db);
}
