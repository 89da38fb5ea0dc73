/** What a projector does besides folding: checks its rows, and rebuilds those that are out of date. */
import { constants, setPriority } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import type { ChildGroup } from "../lib/core/child-group.ts";
import { startStandingVerify } from "../lib/operator/standing-verify.ts";
import type { Projector } from "../lib/projector/projector.ts";
import { spawnGroup } from "../lib/runner/child-group.ts";
import type { SqliteDatabase } from "../lib/store/open.ts";
import type { AnyProjection } from "../projections/projection.ts";
import type { Context } from "./context.ts";
import { flagEnvironment } from "./flag-environment.ts";
import { ownProgram } from "./own-program.ts";
import { prefixesOf } from "./stream-options.ts";

/** Where it failed, for example because another rebuild runs. */
const AGAIN_MS = 60_000;

interface Running {
  readonly nc: NatsConnection;
  readonly db: SqliteDatabase;
  readonly projector: Projector;
  readonly projections: readonly AnyProjection[];
}

/** @param opened what is closed at the end; what is started here is added. */
export function startUpkeep(
  context: Context,
  { nc, db, projector, projections }: Running,
  opened: (() => Promise<unknown>)[],
): void {
  const { settings, paths, log } = context;
  const { everySec } = settings.verify;
  if (everySec > 0) {
    const verifying = startStandingVerify({
      nc,
      db,
      databaseFile: paths.databaseFile,
      prefixes: prefixesOf(settings),
      projections,
      everySec,
      log,
      random: Math.random,
    });
    opened.push(() => verifying.close());
  }
  if (!settings.rebuild.auto || projector.outdated.length === 0) return;
  const rebuilding = startBackgroundRebuild(context, projector);
  opened.push(() => rebuilding.stop());
}

/** In a process of its own: the statuses come first. It waits until all that there is is folded. */
function startBackgroundRebuild(context: Context, projector: Projector): { stop(): Promise<void> } {
  const abort = new AbortController();
  const { signal } = abort;
  let group: ChildGroup | undefined;
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const running = (async () => {
    await Promise.race([projector.caughtUp, aborted]);
    while (!signal.aborted && projector.outdated.length > 0) {
      group = spawnRebuild(context, projector.outdated);
      const { code } = await group.ended;
      if (signal.aborted || projector.outdated.length === 0) return;
      context.log.warn(`the rebuild in the background ended with exit code ${code}: tried again`);
      await delay(AGAIN_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  })();
  return {
    stop: async () => {
      abort.abort();
      await group?.stop();
      await running;
    },
  };
}

function spawnRebuild(context: Context, names: readonly string[]): ChildGroup {
  const { log, environment, fileArguments } = context;
  log.info(`rebuilding ${names.join(", ")} in the background: their rows are of another version`);
  const own = ownProgram();
  const group = spawnGroup({
    file: own.file,
    args: [...own.args, ...fileArguments, "rebuild", ...names],
    env: { ...environment, ...flagEnvironment(context) },
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  try {
    setPriority(group.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // It has ended already, and says why itself.
  }
  return group;
}
