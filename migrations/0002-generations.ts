import { sql } from "kysely";
import type { Kysely } from "kysely";

/**
 * `generation` is raised whenever a projection's table is exchanged for another: who has rows of it
 * in memory must let go of them. `standing` holds what Runbeat knows of its own parts, and
 * `difference` what a check of the rows against the streams found.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table checkpoint add column generation integer not null default 0`.execute(db);
  await sql`create table standing (
    name text primary key, at integer not null, data text not null) without rowid`.execute(db);
  await sql`create table difference (
    projection text not null, row text not null, "column" text not null, runner text,
    live text, folded text, stream text not null, first_seq integer not null,
    last_seq integer not null, found_at integer not null,
    primary key (projection, row, "column")) without rowid`.execute(db);
}
