import { Command } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { compareFleets } from "../lib/core/fleet-difference.ts";
import type {
  ComparedFleet,
  ComparedProcess,
  ComparedRunner,
} from "../lib/core/fleet-difference.ts";
import { formatTime } from "../lib/core/time.ts";
import { differenceScreen } from "../lib/terminal/difference-screen.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { fleetMoment } from "./fleet-moment.ts";
import { fetchAll } from "./fleet-pages.ts";
import type { ReadApi } from "./read-api.ts";
import { withSomeApi } from "./some-api.ts";

interface Options {
  readonly from: string;
  readonly to: string;
  readonly url?: string;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("diff")
    .description(
      "Shows what changed between two moments: runners that appeared or went, status, health, errors, restarts, settings. Worst first.",
    )
    .requiredOption("--from <time>", "the earlier moment: 03:12, -15m, 2026-01-31T03:12:00Z, …")
    .option("--to <time>", "the later moment", "now")
    .option("--url <url>", "another installation's API, e.g. http://edge-1:8080")
    .option("--json", "as JSON: from, to, runners, counts")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat diff --from -1h\n  $ runbeat diff --from 03:00 --to 03:30 --json | jq .counts",
    )
    .action(async (options: Options, self: Command) => {
      const context = openContext(self);
      await withSomeApi(context, options.url, async (api) => {
        await show(context, options, api, await spanOf(options, api));
      });
    });
}

interface Span {
  /** Epoch ms. */
  readonly from: number;
  readonly to: number;
}

async function spanOf(options: Options, api: ReadApi): Promise<Span> {
  const from = await fleetMoment(api, "--from", options.from);
  const to = await fleetMoment(api, "--to", options.to);
  if (from <= to) return { from, to };
  const detail = `${formatTime(from)} is later than ${formatTime(to)}: turn them round`;
  throw new AppError("invalid", `--from and --to: ${detail}`);
}

async function show(context: Context, options: Options, api: ReadApi, span: Span): Promise<void> {
  const before = await fetchFleet(api, span.from);
  const difference = compareFleets(before, await fetchFleet(api, span.to));
  if (options.json === true) {
    const ends = { from: formatTime(span.from), to: formatTime(span.to) };
    process.stdout.write(`${JSON.stringify({ ...ends, ...difference }, null, 2)}\n`);
    return;
  }
  const looks = terminalLooks({
    isTTY: process.stdout.isTTY,
    columns: process.stdout.columns,
    environment: context.environment,
  });
  process.stdout.write(differenceScreen(difference, span, looks));
}

async function fetchFleet(api: ReadApi, at: number): Promise<ComparedFleet> {
  const query = new URLSearchParams({ at: formatTime(at) });
  const everyone = new URLSearchParams({ ...Object.fromEntries(query), retired: "1" });
  const runners = await fetchAll(api, "/api/v1/runners", everyone);
  const processes = await fetchAll(api, "/api/v1/processes", query);
  return {
    runners: runners.items as ComparedRunner[],
    processes: processes.items as ComparedProcess[],
  };
}
