import { Command } from "commander";
import { formatTime } from "../lib/core/time.ts";
import { explainScreen } from "../lib/terminal/explain-screen.ts";
import type { ShownExplanation } from "../lib/terminal/explain-screen.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { fleetMoment } from "./fleet-moment.ts";
import { namedRunner } from "./named-runner.ts";
import { withSomeApi } from "./some-api.ts";

interface Options {
  readonly at?: string;
  readonly url?: string;
  readonly json?: boolean;
}

export function command(): Command {
  return new Command("explain")
    .description(
      "Says why a runner is in its state: the status rule with its numbers, its last heartbeats, what happened, and what the enforcer will do next. Each fact comes with the message that says so.",
    )
    .argument("<id>", "kind/name/profile; name/profile where one kind only has it")
    .option("--at <time>", "as it was at a moment: 03:12, -15m, 2026-01-31T03:12:00Z, …")
    .option("--url <url>", "another installation's API, e.g. http://edge-1:8080")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat explain camera/front-door/hd\n  $ runbeat explain front-door/hd --at 03:12\n  $ runbeat explain front-door/hd --json | jq .next",
    )
    .action(async (id: string, options: Options, self: Command) => {
      await run(openContext(self), id, options);
    });
}

async function run(context: Context, id: string, options: Options): Promise<void> {
  const { at } = options;
  const shown = await withSomeApi(context, options.url, async (api) => {
    const moment = at === undefined ? undefined : await fleetMoment(api, "--at", at);
    const query = new URLSearchParams(moment === undefined ? {} : { at: formatTime(moment) });
    const runner = await namedRunner(api, id, query);
    const path = `/api/v1/runners/${runner}/explain?${query.toString()}`;
    return (await api.get(path)) as ShownExplanation;
  });
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    return;
  }
  const looks = terminalLooks({
    isTTY: process.stdout.isTTY,
    columns: process.stdout.columns,
    environment: context.environment,
  });
  process.stdout.write(explainScreen(shown, looks, at !== undefined));
}
