import { Command } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { formatTime } from "../lib/core/time.ts";
import { statusScreen } from "../lib/terminal/status-screen.ts";
import type { ShownSummary } from "../lib/terminal/status-screen.ts";
import type { ShownRunner } from "../lib/terminal/status-row.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { addFilterOptions, fetchAll, filterQuery, filterText } from "./fleet-pages.ts";
import { fleetMoment } from "./fleet-moment.ts";
import type { AsOf, FleetFilter } from "./fleet-pages.ts";
import type { ReadApi } from "./read-api.ts";
import { withSomeApi } from "./some-api.ts";

interface Options extends FleetFilter {
  readonly at: string;
  readonly runner?: string;
  readonly url?: string;
  readonly json?: boolean;
}

export function command(): Command {
  const state = new Command("state")
    .description(
      "Shows the fleet as it was at a moment, as `runbeat status` would have shown it then. The fleet file's runners are those of now.",
    )
    .requiredOption("--at <time>", "the moment: 03:12, -15m, 2026-01-31T03:12:00Z, …")
    .option("--runner <id>", "only this runner: kind/name/profile, or name/profile");
  return addFilterOptions(state)
    .option("--url <url>", "another installation's API, e.g. http://edge-1:8080")
    .option("--json", "as JSON: items, summary, as_of")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat state --at 03:12\n  $ runbeat state --at -2h --status offline\n  $ runbeat state --at 2026-01-31T03:12:00Z --runner front-door/hd --json",
    )
    .action(async (options: Options, self: Command) => {
      const context = openContext(self);
      await withSomeApi(context, options.url, async (api) => {
        const at = await fleetMoment(api, "--at", options.at);
        await show(context, options, await fetchState(api, options, at));
      });
    });
}

interface Fleet {
  readonly items: readonly ShownRunner[];
  readonly summary: ShownSummary;
  readonly as_of: AsOf;
}

async function fetchState(api: ReadApi, options: Options, at: number): Promise<Fleet> {
  const query = filterQuery(options);
  query.set("at", formatTime(at));
  if (options.runner !== undefined) query.set("q", options.runner);
  const summary = api.get(`/api/v1/summary?at=${formatTime(at)}`) as Promise<ShownSummary>;
  const fleet = await Promise.all([summary, fetchAll(api, "/api/v1/runners", query)]);
  const [counts, { items, as_of }] = fleet;
  const all = items as ShownRunner[];
  const shown = options.runner === undefined ? all : only(all, options.runner, at);
  return { items: shown, summary: counts, as_of };
}

/** @throws AppError where the name stands for no runner of that time, or for several. */
function only(items: readonly ShownRunner[], name: string, at: number): ShownRunner[] {
  const found = items.filter(({ runner }) => runner === name || runner.endsWith(`/${name}`));
  if (found.length === 1) return found;
  if (found.length === 0) {
    throw new AppError("not_found", `At ${formatTime(at)} there was no runner ${name}`);
  }
  const names = found.map(({ runner }) => runner).join(", ");
  throw new AppError("invalid", `--runner: ${name} may be any of ${names}: give the kind too`);
}

async function show(context: Context, options: Options, fleet: Fleet): Promise<void> {
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(fleet, null, 2)}\n`);
    return;
  }
  const looks = terminalLooks({
    isTTY: process.stdout.isTTY,
    columns: process.stdout.columns,
    environment: context.environment,
  });
  const { items, summary, as_of } = fleet;
  const nowMs = Date.parse(as_of.time);
  const screen = {
    items,
    summary,
    nowMs,
    filter: filterText(options),
    past: { sinceMs: Date.now() - nowMs },
  };
  process.stdout.write(statusScreen(screen, looks));
}
