import { Command } from "commander";
import { AppError } from "../lib/core/errors.ts";
import { hostFacts } from "../lib/terminal/host-facts.ts";
import { statusScreen } from "../lib/terminal/status-screen.ts";
import type { ShownComponent, ShownSummary } from "../lib/terminal/status-screen.ts";
import type { ShownRunner } from "../lib/terminal/status-row.ts";
import { terminalLooks } from "../lib/terminal/style.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import type { ReadApi } from "./read-api.ts";
import { withSomeApi } from "./some-api.ts";

interface Options {
  readonly url?: string;
  readonly kind: string[];
  readonly status: string[];
  readonly host: string[];
  readonly query?: string;
  readonly json?: boolean;
}

interface AsOf {
  readonly seq: number;
  readonly time: string;
  readonly lag_ms: number | null;
}

interface Fleet {
  readonly items: readonly ShownRunner[];
  readonly summary: ShownSummary;
  readonly as_of: AsOf;
}

/** Runners are asked for so many at a time. */
const PAGE = 1_000;
/** More would be a fault of the API's: pages that never end. */
const MAX_PAGES = 1_000;

export function command(): Command {
  return new Command("status")
    .description(
      "Shows every runner, worst first: is it alive, since when, what is wrong. Asks the API; where none runs, reads the database.",
    )
    .option("--kind <kind>", "only camera, worker, service or process; may repeat", collect, [])
    .option("--status <status>", "only online, offline, …; may repeat", collect, [])
    .option("--host <host>", "only on this host; may repeat", collect, [])
    .option("-q, --query <text>", "only runners or hosts with this in their name")
    .option("--url <url>", "another installation's API, e.g. http://edge-1:8080")
    .option("--json", "as JSON: items, summary, as_of")
    .addHelpText(
      "after",
      "\nExamples:\n  $ runbeat status\n  $ runbeat status --status offline --status missing\n  $ runbeat status --kind camera --json | jq '.items[].runner'",
    )
    .action(async (options: Options, self: Command) => await run(openContext(self), options));
}

async function run(context: Context, options: Options): Promise<void> {
  await withSomeApi(context, options.url, async (api) => await show(context, options, api));
}

function collect(value: string, before: string[]): string[] {
  return [...before, ...value.split(",")];
}

async function show(context: Context, options: Options, api: ReadApi): Promise<void> {
  const [fleet, components, host] = await Promise.all([
    fetchFleet(api, options),
    fetchComponents(api),
    hostFacts(context.paths.dataDir),
  ]);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(fleet, null, 2)}\n`);
    return;
  }
  const looks = terminalLooks({
    isTTY: process.stdout.isTTY,
    columns: process.stdout.columns,
    environment: context.environment,
  });
  const screen = {
    ...fleet,
    nowMs: Date.parse(fleet.as_of.time),
    lagMs: fleet.as_of.lag_ms,
    components,
    host,
    filter: filterText(options),
  };
  process.stdout.write(statusScreen(screen, looks));
}

/** Every page, and the counts of the whole fleet. */
async function fetchFleet(api: ReadApi, options: Options): Promise<Fleet> {
  const items: ShownRunner[] = [];
  const [summary, first] = await Promise.all([
    api.get("/api/v1/summary") as Promise<ShownSummary>,
    fetchPage(api, options, null),
  ]);
  let page = first;
  for (let pages = 1; ; pages++) {
    items.push(...page.items);
    if (page.next_cursor === null) return { items, summary, as_of: first.as_of };
    if (pages >= MAX_PAGES) throw new AppError("internal", "The API's list of runners has no end");
    page = await fetchPage(api, options, page.next_cursor);
  }
}

interface Page {
  readonly items: readonly ShownRunner[];
  readonly next_cursor: string | null;
  readonly as_of: AsOf;
}

async function fetchPage(api: ReadApi, options: Options, cursor: string | null): Promise<Page> {
  const query = new URLSearchParams({ limit: String(PAGE) });
  for (const name of ["kind", "status", "host"] as const) {
    for (const value of options[name]) query.append(name, value);
  }
  if (options.query !== undefined) query.set("q", options.query);
  if (cursor !== null) query.set("cursor", cursor);
  return (await api.get(`/api/v1/runners?${query.toString()}`)) as Page;
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

/** What the health page says, a word for each part and the details of what is not well. */
async function fetchComponents(api: ReadApi): Promise<ShownComponent[]> {
  const { checks = {} } = (await api.get("/healthz")) as HealthPage;
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

function filterText(options: Options): string {
  const lists = (["kind", "status", "host"] as const).flatMap((name) =>
    options[name].length === 0 ? [] : [`${name}=${options[name].join(",")}`],
  );
  return [...lists, ...(options.query === undefined ? [] : [`q=${options.query}`])].join(" ");
}
