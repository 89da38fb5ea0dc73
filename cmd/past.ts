/** Access to the past for the routes of the API, wherever they run. */
import { thresholdsOf } from "../config/thresholds.ts";
import type { DeclaredRunner } from "../lib/core/read-models.ts";
import { KnownTimes } from "../lib/nats/stream-times.ts";
import { PastStates } from "../lib/operator/past-states.ts";
import { foldLocated, locateMoment, openFolded } from "../lib/operator/state-at.ts";
import type { StateAtOptions } from "../lib/operator/state-at.ts";
import { projections } from "../projections/index.ts";
import type { Closers } from "./closers.ts";
import type { Context } from "./context.ts";
import { lazyConnection } from "./lazy-connection.ts";
import { openMarks } from "./marks.ts";
import { natsOptions } from "./nats-options.ts";
import { pastFolding } from "./past-folding.ts";
import { prefixesOf } from "./stream-options.ts";

export interface Past {
  readonly states: PastStates;
  /** Replaces the list of the fleet file. */
  declare(runners: readonly DeclaredRunner[]): void;
}

/**
 * Connects when the first moment is asked for: the streams come in on a connection of their own,
 * since answers that others wait for would wait behind them.
 * @param inThread folds beside this thread, for whoever serves others meanwhile.
 */
export function openPast(
  context: Context,
  closers: Closers,
  { inThread }: { readonly inThread: boolean },
): Past {
  let declared: readonly DeclaredRunner[] = [];
  const connection = lazyConnection(natsOptions(context, "runbeat past"));
  const marks = openMarks(context);
  const known = new KnownTimes();
  const folding = inThread ? pastFolding(context) : undefined;
  closers.push("the marks", () => marks?.close());
  closers.push("the folding of the past", async () => await folding?.close());
  const optionsAt = async (at: number): Promise<StateAtOptions> => ({
    nc: await connection.get(),
    prefixes: prefixesOf(context.settings),
    projections,
    thresholds: thresholdsOf(context.settings),
    declared,
    at,
    liveFile: context.paths.databaseFile,
    marks,
    known,
  });
  const states = new PastStates({
    locate: async (at) => await locateMoment(await optionsAt(at)),
    open: async (moment) => {
      const options = await optionsAt(moment.at);
      const db = await (folding?.fold(moment) ?? foldLocated(options, moment));
      return await openFolded(options, moment, db);
    },
  });
  closers.push("the connection to the past", connection.close);
  closers.push("the states of the past", async () => await states.close());
  return {
    states,
    declare: (runners) => {
      declared = runners;
      states.declare(runners);
    },
  };
}
