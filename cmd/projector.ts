import type { NatsConnection } from "@nats-io/transport-node";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { connectNats } from "../lib/nats/connect.ts";
import { reconcileStreams } from "../lib/nats/streams.ts";
import { isImport } from "../lib/operator/import-target.ts";
import { startProjector } from "../lib/projector/projector.ts";
import { openDatabase } from "../lib/store/open.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { startEmitterThread } from "./emitter.ts";
import { setHeapGrowth } from "./heap-growth.ts";
import { startMarksThread } from "./marks.ts";
import { natsOptions } from "./nats-options.ts";
import { foldableProjections } from "./projection-list.ts";
import { prefixesOf, streamOptions } from "./stream-options.ts";
import { startUpkeep } from "./projector-upkeep.ts";
import { startWalThread } from "./wal.ts";
import { untilStopped } from "./until-stopped.ts";
import { whenAvailable } from "./when-available.ts";

/** With a long backlog, judging for quarantine and snapshots begins this late. */
const EMITTER_HEAD_START_MS = 15_000;

export function command(): Command {
  return new Command("projector")
    .description(
      "Folds the streams into the read models, takes snapshots and puts into quarantine what can't be folded. Runs until it is stopped.",
    )
    .addHelpText("after", "\nExample:\n  $ NATS_URL=nats://10.0.0.5:4222 runbeat projector")
    .action((_options: unknown, self: Command) => run(openContext(self)));
}

async function run(context: Context): Promise<void> {
  const { log, paths, settings } = context;
  setHeapGrowth();
  const stopping = untilStopped();
  const abort = new AbortController();
  void stopping.then(() => abort.abort());
  const opened: (() => Promise<unknown>)[] = [];
  try {
    const db = await openDatabase(paths.databaseFile);
    opened.push(async () => db.close());
    const wal = startWalThread(context, db);
    opened.push(() => wal.close());
    const connect = async (what: string): Promise<NatsConnection> => {
      const nc = await connectNats({
        ...natsOptions(context, `runbeat projector ${what}`),
        waitOnFirstConnect: true,
        signal: abort.signal,
      });
      opened.push(() => nc.close());
      return nc;
    };
    // A backlog fills a connection: what waits for answers needs one of its own.
    const nc = await connect("asking");
    const folding = await connect("folding");
    const again = { log, signal: abort.signal };
    await whenAvailable(() => reconcileStreams(nc, streamOptions(settings)), again);
    const prefixes = prefixesOf(settings);
    const projections = await foldableProjections(context, db);
    const projector = await startProjector({
      nc,
      readingNc: folding,
      db,
      prefixes,
      projections,
      log,
    });
    opened.push(() => projector.close());
    startUpkeep(context, { nc, db, projector, projections }, opened);
    const marks = startMarksThread(context);
    opened.push(() => marks.close());
    void projector.caughtUp.then(() => log.info("every stream is folded up to its end"));
    if (await whenAvailable(() => isImport(nc, prefixes), again)) {
      log.info("the streams are an import: what it holds was judged where it came from");
      log.info({ reason: await stopping }, "the projector stops");
      return;
    }
    // Judging takes as much of the machine as folding: a cold start tells the statuses first.
    const headStart = delay(EMITTER_HEAD_START_MS, undefined, { ref: false });
    await Promise.race([projector.caughtUp, headStart, stopping]);
    const emitter = startEmitterThread(context);
    opened.push(() => emitter.close());
    const reason = await Promise.race([stopping, emitter.failed]);
    log.info({ reason }, "the projector stops");
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    for (const close of opened.toReversed()) await close();
  }
}
