import { join } from "node:path";
import { pino } from "pino";
import { DEFAULT_PREFIXES } from "../../lib/core/subject.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import { openDatabase } from "../../lib/store/open.ts";
import { projections } from "../../projections/index.ts";
import type { BareLimits } from "./bare.ts";
import type { Figures } from "./figures.ts";
import type { Stage } from "./stage.ts";

/** Folds the whole backlog into an empty database, every read model, fast lane included. */
export async function measureRebuild(
  stage: Stage,
  figures: Figures,
  count: number,
  bare: BareLimits,
): Promise<void> {
  figures.heading("Rebuild from a backlog");
  let most = 0;
  for (let run = 0; run < 3; run++) {
    const db = await openDatabase(join(stage.dir, `rebuild-${run}.db`));
    const begin = performance.now();
    const projector = await startProjector({
      nc: stage.nc,
      db,
      prefixes: DEFAULT_PREFIXES,
      projections,
      log: pino({ level: "error" }),
    });
    await projector.caughtUp;
    most = Math.max(most, (count / (performance.now() - begin)) * 1000);
    await projector.close();
    db.close();
  }
  figures.add("rebuild of every read model", most, "messages/s", bare.ordered);
}
