import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { connectNats } from "../lib/nats/connect.ts";
import type { Difference } from "../lib/operator/compare-rows.ts";
import { recordVerify } from "../lib/operator/findings.ts";
import { verify } from "../lib/operator/verify.ts";
import type { TableReport, VerifyReport } from "../lib/operator/verify.ts";
import { openDatabase } from "../lib/store/open.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { loadProjections } from "./projection-list.ts";
import { prefixesOf } from "./stream-options.ts";

interface Options {
  readonly json?: boolean;
}

/** Differences printed per table; `--json` has them all. */
const MAX_SHOWN = 20;

export function command(): Command {
  return new Command("verify")
    .description(
      "Folds the streams again beside the live tables and prints every difference. Exit code 1 if there is one.",
    )
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  $ runbeat verify && echo the read models are right")
    .action(async (options: Options, self: Command) => {
      const report = await run(openContext(self));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(asJson(report), null, 2)}\n` : asText(report),
      );
      if (report.differences > 0) process.exitCode = 1;
    });
}

async function run(context: Context): Promise<VerifyReport> {
  const workDir = mkdtempSync(join(tmpdir(), "runbeat-verify-"));
  try {
    const nc = await connectNats(natsOptions(context, "runbeat verify"));
    try {
      const report = await verify({
        nc,
        prefixes: prefixesOf(context.settings),
        projections: await loadProjections(context),
        databaseFile: context.paths.databaseFile,
        workDir,
        ...(process.stderr.isTTY ? { onProgress: showProgress } : {}),
      });
      await record(context, report);
      return report;
    } finally {
      await nc.close();
      if (process.stderr.isTTY) showProgress("");
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    throw new AppError(
      "unavailable",
      `There is no room for a second copy of the tables in ${tmpdir()}: make room or set TMPDIR`,
      { cause: error },
    );
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

/** What was found is told by /healthz from now on, and what was found before and is gone is not. */
async function record({ paths, log }: Context, report: VerifyReport): Promise<void> {
  try {
    const db = await openDatabase(paths.databaseFile);
    recordVerify(db, report);
    db.close();
  } catch (error) {
    log.warn(`what was found could not be written down for /healthz: ${messageOf(error)}`);
  }
}

function showProgress(text: string): void {
  process.stderr.write(`\r\u001B[K${text}`);
}

function asJson(report: VerifyReport): object {
  return {
    differences: report.differences,
    unjudged: report.unjudged,
    tables: report.tables.map(({ differences, ...table }) => ({
      ...table,
      problem: table.problem ?? null,
      differences: differences.map((difference) => ({
        table: difference.table,
        row: difference.row,
        column: difference.column ?? null,
        live: difference.live,
        folded: difference.folded,
        first_seq: difference.firstSeq,
        last_seq: difference.lastSeq,
      })),
    })),
  };
}

function asText(report: VerifyReport): string {
  const lines = report.tables.flatMap(tableLines);
  const rows = report.tables.reduce((sum, { compared }) => sum + compared, 0);
  const unjudged =
    report.unjudged === 0
      ? ""
      : `, ${report.unjudged} not judged: their messages have left the streams`;
  return `${[...lines, "", `${report.differences} differences in ${rows} rows${unjudged}`].join("\n")}\n`;
}

function tableLines(table: TableReport): string[] {
  const found = table.differences.length;
  const mark = found === 0 && table.problem === undefined ? "ok  " : "DIFF";
  const head = `${mark} ${table.table.padEnd(18)} ${String(table.compared).padStart(9)} rows, up to ${table.stream} ${table.seq}`;
  const problem = table.problem === undefined ? [] : [`       ${table.problem}`];
  const shown = table.differences.slice(0, MAX_SHOWN).map(differenceLine);
  const rest = found > MAX_SHOWN ? [`       and ${found - MAX_SHOWN} more`] : [];
  return [head, ...problem, ...shown, ...rest];
}

function differenceLine({ row, column, live, folded, firstSeq, lastSeq }: Difference): string {
  const what = column === undefined ? "the table has" : `${column} is`;
  const messages = firstSeq === lastSeq ? `message ${lastSeq}` : `messages ${firstSeq}–${lastSeq}`;
  return `       ${row}: ${what} ${String(live)}, the stream gives ${String(folded)} (${messages})`;
}
