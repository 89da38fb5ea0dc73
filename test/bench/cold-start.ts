import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Database } from "../../lib/store/sqlite.ts";
import type { SqliteDatabase } from "../../lib/store/sqlite.ts";
import type { Figures } from "./figures.ts";
import { fill, memoryOf, resetStreams, startCommand, stopCommand, until } from "./stage.ts";
import type { Stage } from "./stage.ts";

const FLEETS = [
  { runners: 100, perRunner: 10_000 },
  { runners: 10_000, perRunner: 100 },
  { runners: 100_000, perRunner: 10 },
];

/** From the start of the process on an empty database until every runner's newest state is there. */
export async function measureColdStart(stage: Stage, figures: Figures): Promise<void> {
  figures.heading("Cold start on an empty database, one million heartbeats of history");
  for (const { runners, perRunner } of FLEETS) {
    await resetStreams(stage);
    await fill(stage, runners, perRunner);
    const dataDir = join(stage.dir, `cold-${runners}`);
    mkdirSync(dataDir);
    const begin = performance.now();
    const projector = startCommand(stage, dataDir, ["projector"]);
    const file = join(dataDir, "runbeat.db");
    try {
      await until(() => newestKnown(file, perRunner - 1) === runners);
      const name = `${runners.toLocaleString("en-US")} runners`;
      figures.add(`${name}: every status right`, performance.now() - begin, "ms");
      await until(() => isComplete(file, runners * perRunner));
      figures.add(`${name}: every row complete`, performance.now() - begin, "ms");
      figures.add(
        `${name}: projector's memory, highest`,
        memoryOf(projector.pid ?? 0).peakMb,
        "MB",
      );
    } finally {
      await stopCommand(projector);
    }
  }
}

/** Runners whose newest heartbeat is what readers are given. */
function newestKnown(file: string, newestSeq: number): number {
  return read(file, (db) => {
    const fast = db.prepare("select active from lane where lane = 'fast'").pluck().get() === 1;
    const table = fast ? "fast_latest_heartbeat" : "latest_heartbeat";
    const sql = `select count(*) from ${table} where seq = ?`;
    return db.prepare(sql).pluck().get(newestSeq) as number;
  });
}

function isComplete(file: string, messages: number): boolean {
  return (
    read(file, (db) =>
      Number(db.prepare("select sum(heartbeat_count) from process_heartbeat").pluck().get()),
    ) === messages
  );
}

function read(file: string, query: (db: SqliteDatabase) => number): number {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      return query(db);
    } finally {
      db.close();
    }
  } catch {
    return -1;
  }
}
