/** Every runner that the read API lists, page after page, for the commands that show fleets. */
import { Option } from "commander";
import type { Command } from "commander";
import { AppError } from "../lib/core/errors.ts";
import type { ReadApi } from "./read-api.ts";

/** Which runners. */
export interface FleetFilter {
  readonly kind: readonly string[];
  readonly status: readonly string[];
  readonly health: readonly string[];
  readonly host: readonly string[];
  /** Each `key:value`; all of them. */
  readonly label: readonly string[];
  readonly query?: string;
}

export interface AsOf {
  readonly seq: number;
  readonly time: string;
  readonly lag_ms: number | null;
}

/** A page of any list of the read API. */
interface Page {
  readonly items: readonly unknown[];
  readonly next_cursor: string | null;
  readonly as_of: AsOf;
}

const LISTS = ["kind", "status", "health", "host", "label"] as const;
/** Items are asked for so many at a time. */
const PAGE = 1_000;
/** More would be a fault of the API's: pages that never end. */
const MAX_PAGES = 1_000;

function list(
  flags: string,
  about: string,
  take: (value: string, before: readonly string[]) => string[] = collect,
): Option {
  return new Option(flags, about).argParser(take).default([], "all");
}

/** The options by which a command is told which runners. */
export function addFilterOptions(command: Command): Command {
  return addListOptions(command).option(
    "-q, --query <text>",
    "only runners or hosts with this in their name",
  );
}

/** The same without the text. */
export function addListOptions(command: Command): Command {
  return command
    .addOption(list("--kind <kind>", "only camera, worker, service or process; may repeat"))
    .addOption(list("--status <status>", "only online, offline, …; may repeat"))
    .addOption(list("--health <health>", "only healthy, degraded or unhealthy; may repeat"))
    .addOption(list("--host <host>", "only on this host; may repeat"))
    .addOption(list("--label <key:value>", "only with this label; repeated: with all", addLabel));
}

/** Its value may hold commas. */
function addLabel(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, ...value.split(",")];
}

/** The filter as its flags were given, for people; empty for none. */
export function filterText(filter: FleetFilter): string {
  const lists = LISTS.flatMap((name) =>
    filter[name].length === 0 ? [] : [`${name}=${filter[name].join(",")}`],
  );
  return [...lists, ...(filter.query === undefined ? [] : [`q=${filter.query}`])].join(" ");
}

/** The query that asks for the filter's runners. */
export function filterQuery(filter: FleetFilter): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of LISTS) for (const value of filter[name]) query.append(name, value);
  if (filter.query !== undefined) query.set("q", filter.query);
  return query;
}

/** Every item of a list, as the API answers it. @throws AppError as the API does. */
export async function fetchAll(
  api: ReadApi,
  path: string,
  given: URLSearchParams,
): Promise<{ items: unknown[]; as_of: AsOf }> {
  const query = new URLSearchParams(given);
  query.set("limit", String(PAGE));
  const items: unknown[] = [];
  let first: AsOf | undefined;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const page = (await api.get(`${path}?${query.toString()}`)) as Page;
    first ??= page.as_of;
    items.push(...page.items);
    if (page.next_cursor === null) return { items, as_of: first };
    query.set("cursor", page.next_cursor);
  }
  throw new AppError("internal", `The API's list ${path} has no end`);
}
