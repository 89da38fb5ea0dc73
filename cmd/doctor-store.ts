/** What `runbeat doctor` looks at in the database of the read models. */
import { existsSync, statSync } from "node:fs";
import type { CheckpointView } from "../lib/core/read-models.ts";
import { openReadOnly } from "../lib/store/open.ts";
import type { SqliteDatabase } from "../lib/store/open.ts";
import { checkpointReader } from "../lib/store/read-checkpoints.ts";
import { bytesText } from "../lib/core/amount.ts";
import type { Context } from "./context.ts";
import { fail, failed, ok, warn } from "./doctor-check.ts";
import type { Check } from "./doctor-check.ts";

const BIG_LOG_BYTES = 2 ** 30;

export async function checkStore({ paths }: Context): Promise<Check[]> {
  const file = paths.databaseFile;
  if (!existsSync(file)) {
    return [ok("database", `${file}: not there yet, the projector makes it`)];
  }
  let db: SqliteDatabase | undefined;
  try {
    db = openReadOnly(file);
    return [checkFile(file, db), checkLog(file), ...checkProjections(db)];
  } catch (error) {
    return [failed("database", error)];
  } finally {
    db?.close();
  }
}

function checkFile(file: string, db: SqliteDatabase): Check {
  const mode = String(db.pragma("journal_mode", { simple: true }));
  const found = `${file}, ${bytesText(statSync(file).size)}`;
  if (mode === "wal") return ok("database", found);
  return fail(
    "database",
    `${found}, journal mode ${mode}`,
    "keep it on a local disk: it needs a write-ahead log; delete the file to have it made again",
  );
}

function checkLog(file: string): Check {
  const bytes = statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const found = bytesText(bytes);
  if (bytes < BIG_LOG_BYTES) return ok("write-ahead log", found);
  return warn("write-ahead log", found, "a reader holds it: stop what reads the database for long");
}

function checkProjections(db: SqliteDatabase): Check[] {
  const exists = db.prepare("select 1 from sqlite_master where name = 'checkpoint'").get();
  if (exists === undefined) return [];
  const rows = checkpointReader(db)
    .all()
    .filter(({ lane }) => lane === "main");
  const stopped = rows.filter(({ state }) => state === "stopped");
  if (stopped.length > 0) return stopped.map(stoppedCheck);
  return [ok("projections", `${rows.length} fold, none stopped`)];
}

function stoppedCheck({ projection, error, error_seq, stream }: CheckpointView): Check {
  return fail(
    `projection ${projection}`,
    `stopped at message ${error_seq ?? "?"} of ${stream}: ${error ?? "no reason kept"}`,
    "restart the projector after the fix; the others go on",
  );
}
