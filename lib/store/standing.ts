/** What Runbeat knows of its own parts, one row each; written by the part, read by `/healthz`. */
import type { RebuildView, RowCheckView } from "../core/standing.ts";
import type { SqliteDatabase } from "./open.ts";

export interface Standing<Data> {
  /** When it was written, epoch ms on the writer's clock. */
  readonly at: number;
  readonly data: Data;
}

/** Of the projector that folds into this database. */
export interface ProjectorStanding {
  readonly pid: number;
  readonly host: string;
  /** Projections whose rows another version of their fold made. */
  readonly outdated: readonly string[];
}

/** Of the rebuild that runs, or ran last. */
export interface RebuildStanding extends Omit<RebuildView, "at"> {
  readonly pid: number;
  readonly host: string;
  readonly startedAt: number;
}

export interface StandingParts {
  projector: ProjectorStanding;
  rebuild: RebuildStanding;
  check: Omit<RowCheckView, "at">;
}

export function writeStanding<Name extends keyof StandingParts>(
  db: SqliteDatabase,
  name: Name,
  data: StandingParts[Name],
): void {
  db.prepare("insert or replace into standing (name, at, data) values (?, ?, ?)").run(
    name,
    Date.now(),
    JSON.stringify(data),
  );
}

export function readStanding<Name extends keyof StandingParts>(
  db: SqliteDatabase,
  name: Name,
): Standing<StandingParts[Name]> | undefined {
  const row = db.prepare("select at, data from standing where name = ?").get(name) as
    { at: number; data: string } | undefined;
  return row === undefined ? undefined : { at: row.at, data: JSON.parse(row.data) as never };
}
