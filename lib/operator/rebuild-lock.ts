import { AppError } from "../core/errors.ts";
import { formatTime } from "../core/time.ts";
import { takeExclusiveLock } from "../store/exclusive-lock.ts";
import type { ExclusiveLock } from "../store/exclusive-lock.ts";
import type { SqliteDatabase } from "../store/open.ts";
import { readStanding } from "../store/standing.ts";

/**
 * One rebuild at a time folds into the tables beside the live ones.
 * @throws AppError `conflict` that says who does.
 */
export function holdRebuildLock(db: SqliteDatabase, databaseFile: string): ExclusiveLock {
  const lock = takeExclusiveLock(`${databaseFile}.rebuild.lock`);
  if (lock !== undefined) return lock;
  throw new AppError("conflict", `A rebuild runs already${whoRebuilds(db)}: let it end first`);
}

function whoRebuilds(db: SqliteDatabase): string {
  const standing = readStanding(db, "rebuild");
  if (standing === undefined) return "";
  const { pid, host, startedAt, projections, folded, total } = standing.data;
  const done = total === 0 ? "" : `, ${Math.floor((100 * folded) / total)} % done`;
  return ` (process ${pid} on ${host}, since ${formatTime(startedAt)}, ${projections.join(", ")}${done})`;
}
