import { existsSync } from "node:fs";
import { Command } from "commander";
import { nearestWord } from "../lib/core/nearest-word.ts";
import { AppError } from "../lib/core/errors.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { rebuild } from "../lib/operator/rebuild.ts";
import type { RebuildOptions, RebuildReport } from "../lib/operator/rebuild.ts";
import { openDatabase } from "../lib/store/open.ts";
import { projections } from "../projections/index.ts";
import type { AnyProjection } from "../projections/projection.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { loadProjections } from "./projection-list.ts";
import { progressLine, rebuildJson, rebuildText } from "./rebuild-text.ts";
import { prefixesOf } from "./stream-options.ts";
import { untilStopped } from "./until-stopped.ts";

interface Options {
  readonly dryRun?: boolean;
  readonly rollback?: boolean;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("rebuild")
    .description(
      "Folds projections anew beside the live tables, says what differs, and then exchanges the tables at one moment. Whoever reads has the old rows until then. All projections, unless some are named.",
    )
    .argument("[projection...]", projections.map(({ name }) => name).join(", "))
    .option("--dry-run", "stop before the exchange; a rebuild later goes on from there")
    .option("--rollback", "go back to the rows of before the last rebuild")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      [
        "",
        "ctrl-C ends it where it is: nothing is exchanged, and the next one goes on from there.",
        "",
        "Examples:",
        "  $ runbeat rebuild --dry-run             what would a rebuild change?",
        "  $ runbeat rebuild                       every projection",
        "  $ runbeat rebuild latest_heartbeat      one",
        "  $ runbeat rebuild --rollback            back to the rows of before",
      ].join("\n"),
    )
    .action(async (names: string[], options: Options, self: Command) => {
      const context = openContext(self);
      const report = await run(context, named(await loadProjections(context), names), options);
      const text =
        options.json === true ? rebuildJson(report) : rebuildText(report, names, options);
      process.stdout.write(text);
      if (report.outcome === "interrupted") process.exitCode = 1;
      // Else the channel to whoever started it would keep it here.
      if (process.connected) process.disconnect();
    });
}

/** @throws AppError `invalid` for a name that there is no projection of. */
function named(
  projections: readonly AnyProjection[],
  names: readonly string[],
): readonly AnyProjection[] {
  if (names.length === 0) return projections;
  const known = projections.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const near = nearestWord(name, known);
    const hint = near === undefined ? `there are ${known.join(", ")}` : `did you mean ${near}?`;
    throw new AppError("invalid", `There is no projection "${name}": ${hint}`);
  }
  return projections.filter(({ name }) => names.includes(name));
}

async function run(
  context: Context,
  list: readonly AnyProjection[],
  options: Options,
): Promise<RebuildReport> {
  const file = context.paths.databaseFile;
  if (!existsSync(file)) {
    throw new AppError(
      "unavailable",
      `There is no database ${file}: start \`runbeat projector\` once, it makes it`,
    );
  }
  const abort = new AbortController();
  void untilStopped().then(() => abort.abort());
  const db = await openDatabase(file);
  try {
    const { signal } = abort;
    // A backlog fills a connection: what waits for answers needs one of its own.
    const nc = await connectNats({ ...natsOptions(context, "runbeat rebuild asking"), signal });
    const readingNc = await connectNats({ ...natsOptions(context, "runbeat rebuild"), signal });
    try {
      return await rebuild({
        nc,
        readingNc,
        db,
        databaseFile: file,
        prefixes: prefixesOf(context.settings),
        projections: list,
        log: context.log,
        signal,
        isDryRun: options.dryRun === true,
        isRollback: options.rollback === true,
        ...(process.stderr.isTTY ? { onProgress: showProgress } : {}),
      });
    } finally {
      await Promise.all([nc.close(), readingNc.close()]);
      if (process.stderr.isTTY) process.stderr.write("\r\u001B[K");
    }
  } finally {
    db.close();
  }
}

const showProgress: NonNullable<RebuildOptions["onProgress"]> = (progress) => {
  process.stderr.write(`\r\u001B[K${progressLine(progress)}`);
};
