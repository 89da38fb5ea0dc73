/** The tables of a user's own read models: made from their declared columns, and checked by them. */
import type { SqliteDatabase } from "./open.ts";

/** What there is to know of a projection; one without `userColumns` is ours. */
export interface DeclaredProjection {
  readonly name: string;
  readonly version: number;
  readonly table: { readonly name: string; readonly key: readonly string[] };
  /** Types by column; a `?` allows null. */
  readonly userColumns?: Readonly<Record<string, string>>;
}

type UserTable = Required<DeclaredProjection>;

interface KnownTable {
  readonly name: string;
  readonly version: number;
  readonly definition: string;
}

const SQL_TYPES: Readonly<Record<string, string>> = {
  text: "text",
  integer: "integer",
  real: "real",
  json: "text",
};
/** Tables of a rebuild beside the live one. */
const LANES = ["", "next_", "old_"];

function isUserTable(projection: DeclaredProjection): projection is UserTable {
  return projection.userColumns !== undefined;
}

/** Makes the tables of all of them, in a database that has none yet. */
export function makeUserTables(db: SqliteDatabase, projections: readonly DeclaredProjection[]) {
  for (const projection of projections.filter(isUserTable)) db.exec(createSql(projection));
}

/**
 * Brings the tables in line with the projections, in one transaction: makes new ones, makes those
 * anew whose columns changed with their version, drops those that are no longer declared.
 * @returns what is wrong, by projection: these must not be folded.
 */
export function reconcileUserTables(
  db: SqliteDatabase,
  projections: readonly DeclaredProjection[],
): ReadonlyMap<string, string> {
  const wanted = projections.filter(isUserTable);
  const problems = new Map<string, string>();
  db.transaction(() => {
    const known = db.prepare("select * from user_projection").all() as KnownTable[];
    for (const { name } of known) {
      if (!wanted.some((projection) => projection.name === name)) forget(db, name);
    }
    for (const projection of wanted) {
      const problem = reconcile(
        db,
        projection,
        known.find(({ name }) => name === projection.name),
      );
      if (problem !== undefined) problems.set(projection.name, problem);
    }
  }).immediate();
  return problems;
}

/** Why the rows can't be compared with the projection; undefined where they can. */
export function userTableProblem(
  db: SqliteDatabase,
  projection: DeclaredProjection,
): string | undefined {
  if (!isUserTable(projection)) return undefined;
  const known = db.prepare("select * from user_projection where name = ?").get(projection.name) as
    KnownTable | undefined;
  if (known === undefined) return "it has no table yet: the projector makes it";
  if (known.definition === definitionOf(projection)) return undefined;
  return "its columns or its key are not those of its rows: the projector makes them anew once its version is raised";
}

function reconcile(
  db: SqliteDatabase,
  projection: UserTable,
  known: KnownTable | undefined,
): string | undefined {
  const { name, version } = projection;
  const definition = definitionOf(projection);
  if (known !== undefined && known.definition !== definition && known.version === version) {
    const problem = `its columns or its key are not those of its rows, but its version is still ${version}: raise it, and its rows are made anew`;
    // Whoever asks how things are is told by its checkpoint.
    db.prepare(
      "update checkpoint set state = 'stopped', error = ? where projection = ? and lane = 'main'",
    ).run(problem, name);
    return problem;
  }
  // Rows of the same columns stay until others are there.
  if (known === undefined || known.definition !== definition) {
    forget(db, name);
    db.exec(createSql(projection));
  }
  db.prepare("insert or replace into user_projection values (?, ?, ?)").run(
    name,
    version,
    definition,
  );
  return undefined;
}

/** Rows, checkpoints and what a rebuild has left of it. */
function forget(db: SqliteDatabase, name: string): void {
  for (const lane of LANES) db.exec(`drop table if exists "${lane}user_${name}"`);
  db.prepare("delete from checkpoint where projection = ?").run(name);
  db.prepare("delete from user_projection where name = ?").run(name);
}

function definitionOf({ table, userColumns }: UserTable): string {
  return JSON.stringify({ key: table.key, columns: userColumns });
}

function createSql({ table, userColumns }: UserTable): string {
  const columns = Object.entries(userColumns).map(([column, type]) => {
    const sqlType = SQL_TYPES[type.replace("?", "")] ?? "text";
    return `"${column}" ${sqlType}${type.endsWith("?") ? "" : " not null"}`;
  });
  const key = table.key.map((column) => `"${column}"`).join(", ");
  return `create table if not exists "${table.name}" (
    ${columns.join(", ")}, first_seq integer not null, last_seq integer not null,
    primary key (${key})) without rowid`;
}
