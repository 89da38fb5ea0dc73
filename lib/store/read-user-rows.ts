/** Rows of a read model of the user's own, in the order of their key. */
import { AppError } from "../core/errors.ts";
import type { Page } from "../core/read-models.ts";
import type { UserRow, UserRowQuery } from "../core/user-rows.ts";
import type { SqliteDatabase } from "./open.ts";

type Values = (string | number)[];

/** @throws AppError `unavailable` while the table is not there. */
export function readUserRows(
  db: SqliteDatabase,
  query: UserRowQuery,
): Omit<Page<UserRow, Values>, "seq"> {
  const { table, columns, key, equals, limit, after } = query;
  requireTable(db, query);
  const names = Object.keys(equals);
  const wanted = names.map((name) => `"${name}" = ?`);
  const order = key.map((name) => `"${name}"`).join(", ");
  const behind = after === undefined ? [] : [`(${order}) > (${key.map(() => "?").join(", ")})`];
  const where = [...wanted, ...behind].join(" and ");
  const rows = db
    .prepare(
      `select ${columns.map((name) => `"${name}"`).join(", ")} from "${table}"
        ${where === "" ? "" : `where ${where}`} order by ${order} limit ?`,
    )
    .all(...names.map((name) => equals[name]), ...(after ?? []), limit + 1) as UserRow[];
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  if (rows.length <= limit || last === undefined) return { items, next: undefined };
  return { items, next: key.map((name) => last[name] as string | number) };
}

function requireTable(db: SqliteDatabase, { projection, table }: UserRowQuery): void {
  const found = db.prepare("select 1 from sqlite_master where type = 'table' and name = ?");
  if (found.get(table) !== undefined) return;
  throw new AppError(
    "unavailable",
    `Projection ${projection} has no rows yet: start the projector with the same settings, it makes them`,
  );
}
