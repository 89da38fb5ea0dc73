import { sql } from "kysely";
import type { Kysely } from "kysely";

/** Which read models of the user's own have a table here, and of which columns. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create table user_projection (
    name text primary key, version integer not null, definition text not null) without rowid`.execute(
    db,
  );
}
