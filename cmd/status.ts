import { Command } from "commander";
import { hostFacts } from "../lib/terminal/host-facts.ts";
import { statusScreen } from "../lib/terminal/status-screen.ts";
import type { ShownComponent, ShownSummary } from "../lib/terminal/status-screen.ts";
import type { ShownRunner } from "../lib/terminal/status-row.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { addFilterOptions, fetchAll, filterQuery, filterText } from "./fleet-pages.ts";
import type { FleetFilter } from "./fleet-pages.ts";

import type { ReadApi } from "./read-api.ts";
import { withSomeApi } from "./some-api.ts";

interface Options extends FleetFilter {
  readonly url?: string;
  readonly json?: boolean;
}

export function command(): Command {
  const status = new Command("status").description(
    "Shows every runner, worst first: is it alive, since when, what is wrong. Asks the API; where none runs, reads the database.",
  );
  return addFilterOptions(status)
    .option("--url <url>", "another installation's API, e.g. http://edge-1:8080")
    .option("--json", "as JSON: items, summary, as_of")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat status\n  $ runbeat status --status offline --status missing\n  $ runbeat status --kind camera --json | jq '.items[].runner'",
    )
    .action(async (options: Options, self: Command) => {
      const context = openContext(self);
      await withSomeApi(context, options.url, async (api) => await show(context, options, api));
    });
}

async function show(context: Context, options: Options, api: ReadApi): Promise<void> {
  const [summary, fleet, health, host] = await Promise.all([
    api.get("/api/v1/summary") as Promise<ShownSummary>,
    fetchAll(api, "/api/v1/runners", filterQuery(options)),
    api.get("/healthz") as Promise<HealthPage>,
    hostFacts(context.paths.dataDir),
  ]);
  if (options.json === true) {
    const { items, as_of } = fleet;
    process.stdout.write(`${JSON.stringify({ items, summary, as_of }, null, 2)}\n`);
    return;
  }
  const looks = terminalLooks({
    isTTY: process.stdout.isTTY,
    columns: process.stdout.columns,
    environment: context.environment,
  });
  const nowMs = Date.parse(fleet.as_of.time);
  const items = fleet.items as ShownRunner[];
  const shown = { items, summary, nowMs, filter: filterText(options) };
  const screen = isPast(health)
    ? { ...shown, past: { sinceMs: Date.now() - nowMs } }
    : { ...shown, lagMs: fleet.as_of.lag_ms, components: componentsOf(health), host };
  process.stdout.write(statusScreen(screen, looks));
}

interface HealthPage {
  readonly status: ShownComponent["state"];
  readonly checks?: Readonly<Record<string, readonly HealthCheck[]>>;
}

interface HealthCheck {
  readonly status: ShownComponent["state"];
  readonly output?: string;
}

const COMPONENT_NAMES: Readonly<Record<string, string>> = {
  nats: "NATS",
  projection: "read models",
  database: "database",
};
const SEVERITY = ["pass", "warn", "fail"] as const;

/** Of an import the API tells how it stood at its end. */
function isPast({ checks = {} }: HealthPage): boolean {
  return checks["pipeline:clock"] !== undefined;
}

/** What the health page says, a word for each part and the details of what is not well. */
function componentsOf({ checks = {} }: HealthPage): ShownComponent[] {
  return Object.entries(COMPONENT_NAMES).flatMap(([prefix, name]) => {
    const own = Object.entries(checks).flatMap(([key, found]) =>
      key.startsWith(`${prefix}:`) ? found.map((check) => ({ key, ...check })) : [],
    );
    if (own.length === 0) return [];
    const state =
      SEVERITY.findLast((level) => own.some(({ status }) => status === level)) ?? "warn";
    const trouble = own.filter(({ status }) => status !== "pass");
    const text = trouble.map(({ key, output }) => `${suffix(key)}: ${output ?? state}`).join("; ");
    return [{ name, state, text: text === "" ? "ok" : text }];
  });
}

/** `projection:timeline` → `timeline`. */
function suffix(key: string): string {
  return key.slice(key.indexOf(":") + 1);
}
