import type { SqliteDatabase } from "../store/open.ts";
import { LANED_TABLES, tableName } from "../store/lanes.ts";

/** Turns the provisional tables of a cold start on and off for readers. */
export interface LaneSwitch {
  /** Empties the provisional tables; readers use the main ones. */
  clear(): void;
  /** From now on readers use the provisional tables. */
  activate(): void;
}

export function laneSwitch(db: SqliteDatabase): LaneSwitch {
  const set = db.prepare("update lane set active = ? where lane = 'fast'");
  const forget = db.prepare("delete from checkpoint where lane = 'fast'");
  const clears = LANED_TABLES.map((name) => db.prepare(`delete from ${tableName(name, "fast")}`));
  return {
    clear: db.transaction(() => {
      set.run(0);
      forget.run();
      for (const clear of clears) clear.run();
    }).immediate,
    activate: () => void set.run(1),
  };
}
