/** What Runbeat knows of its own parts, one row each; written by the part, read by `/healthz`. */
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

export type RebuildPhase =
  "folding" | "comparing" | "switched" | "ready" | "interrupted" | "failed";

/** Of the rebuild that runs, or ran last. */
export interface RebuildStanding {
  readonly pid: number;
  readonly host: string;
  readonly startedAt: number;
  readonly projections: readonly string[];
  readonly phase: RebuildPhase;
  /** Messages, of all streams together. */
  readonly folded: number;
  readonly total: number;
}

export interface StandingParts {
  projector: ProjectorStanding;
  rebuild: RebuildStanding;
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
