import { Command, Option } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { FIRST_VIEW, SORT_KEYS } from "../lib/terminal/top-view.ts";
import type { SortKey, TopView } from "../lib/terminal/top-view.ts";
import { openContext } from "./context.ts";
import { fleetMoment } from "./fleet-moment.ts";
import type { Context } from "./context.ts";
import { addListOptions } from "./fleet-pages.ts";
import type { FleetFilter } from "./fleet-pages.ts";
import { createLog } from "./log.ts";
import { apiUrl } from "./read-api.ts";
import type { ReadApi } from "./read-api.ts";
import { withSomeApi } from "./some-api.ts";
import { ONCE_FORMATS, topOnce } from "./top-once.ts";
import type { OnceFormat } from "./top-once.ts";
import { runTop } from "./top-session.ts";
import { untilStopped } from "./until-stopped.ts";

interface Options extends FleetFilter {
  readonly sort: SortKey;
  readonly at?: string;
  readonly output?: OnceFormat;
  readonly url?: string;
}

export function command(): Command {
  const top = new Command("top")
    .description(
      "Shows the fleet as it changes, worst first, on the whole screen: filter, sort, look into a runner, stand still, go back in time. ? shows the keys.",
    )
    .option(
      "-q, --query <text>",
      "only runners with these words in name, host, status, label or error",
    );
  return addListOptions(top)
    .addOption(new Option("--sort <key>", "order").choices(SORT_KEYS).default("severity"))
    .option("--at <time>", "as it was at a moment: 03:12, -15m, 2026-01-31T03:12:00Z, …")
    .addOption(new Option("-o, --output <format>", "once, and as this").choices(ONCE_FORMATS))
    .option("--url <url>", "another installation's API, e.g. http://edge-1:8080")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat top\n  $ runbeat top -q 'offline camera'\n  $ runbeat top --host edge-1 --label backend:cuda\n  $ runbeat top -o csv --sort runner > fleet.csv",
    )
    .action(async (options: Options, self: Command) => {
      await run(openContext(self), options);
    });
}

async function run(context: Context, options: Options): Promise<void> {
  const { output, url } = options;
  if (output !== undefined) {
    const text = await withSomeApi(
      context,
      url,
      async (api) => await topOnce(api, await viewOf(options, api), output),
    );
    process.stdout.write(text);
    return;
  }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new AppError(
      "invalid",
      "runbeat top needs a terminal: use -o json or -o csv, or runbeat status",
    );
  }
  // A log line would be written across the screen.
  const quiet = { ...context, log: createLog("silent", "top") };
  await withSomeApi(quiet, url, async (api) => {
    const view = await viewOf(options, api);
    // What can't be reached at all is said before the screen is taken.
    await api.get("/api/v1/summary");
    await runTop({ ...terminalOptions(context, options, api), view });
  });
}

async function viewOf(options: Options, api: ReadApi): Promise<TopView> {
  const { sort, at } = options;
  const moment = at === undefined ? undefined : await fleetMoment(api, "--at", at);
  return { ...FIRST_VIEW, filter: filterWords(options), sort, at: moment };
}

/** As one would type it after `/`. */
function filterWords({ query, label, ...lists }: FleetFilter): string {
  const words = (["kind", "status", "health", "host"] as const).flatMap((name) =>
    lists[name].length === 0 ? [] : [`${name}:${lists[name].join(",")}`],
  );
  const labels = label.map((one) => `label:${one}`);
  return [...words, ...labels, ...(query === undefined ? [] : [query])].join(" ");
}

function terminalOptions(context: Context, { url }: Options, api: ReadApi) {
  const stop = new AbortController();
  void untilStopped().then(() => stop.abort());
  const isOverHttp = /^https?:/.test(api.place);
  const { readKey } = context.settings.http;
  return {
    api,
    live: isOverHttp ? { url: url ?? apiUrl(context), readKey } : undefined,
    input: process.stdin,
    output: process.stdout,
    looks: terminalLooks({
      isTTY: true,
      columns: process.stdout.columns,
      environment: context.environment,
    }),
    signal: stop.signal,
  };
}
