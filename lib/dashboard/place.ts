/** What the address of the page says: everything that a colleague who opens it must see, too. */
import { HEALTH_VALUES } from "../core/heartbeat.ts";
import type { Health } from "../core/heartbeat.ts";
import { RUNNER_KINDS } from "../core/runner-id.ts";
import type { RunnerKind } from "../core/runner-id.ts";
import { STATUSES } from "../core/status.ts";
import type { Status } from "../core/status.ts";

export const SORTS = ["worst", "runner", "silence", "restarts"] as const;
export type Sort = (typeof SORTS)[number];
export const GROUPS = ["none", "kind", "host", "status"] as const;
export type Group = (typeof GROUPS)[number];

export interface FleetQuery {
  readonly text: string;
  readonly statuses: readonly Status[];
  readonly kinds: readonly RunnerKind[];
  readonly healths: readonly Health[];
  /** On any of these. */
  readonly hosts: readonly string[];
  /** With all of these, each `key:value`. */
  readonly labels: readonly string[];
  readonly sort: Sort;
  readonly group: Group;
}

export type Page =
  | { readonly name: "fleet" }
  | { readonly name: "runner"; readonly runner: string }
  | { readonly name: "alerts" }
  | { readonly name: "events" }
  | { readonly name: "pipeline" }
  | { readonly name: "nowhere"; readonly path: string };

export interface Place {
  readonly page: Page;
  readonly query: FleetQuery;
  /** Epoch ms; undefined for now. */
  readonly at: number | undefined;
}

export const PLAIN_QUERY: FleetQuery = {
  text: "",
  statuses: [],
  kinds: [],
  healths: [],
  hosts: [],
  labels: [],
  sort: "worst",
  group: "none",
};

const PAGES = ["alerts", "events", "pipeline"] as const;

function pageOf(path: string): Page {
  if (path === "/") return { name: "fleet" };
  const runner = /^\/runners\/([^/]+\/[^/]+\/[^/]+)\/?$/.exec(path)?.[1];
  if (runner !== undefined) return { name: "runner", runner: decodeURIComponent(runner) };
  const name = PAGES.find((page) => path === `/${page}`);
  return name === undefined ? { name: "nowhere", path } : { name };
}

function listIn<Item extends string>(text: string | null, allowed: readonly Item[]): Item[] {
  const words = (text ?? "").split(",");
  return allowed.filter((item) => words.includes(item));
}

/** What is not understood is left out: an old link still leads somewhere. */
export function parsePlace({ pathname, search }: { pathname: string; search: string }): Place {
  const values = new URLSearchParams(search);
  const at = Date.parse(values.get("at") ?? "");
  return {
    page: pageOf(pathname),
    at: Number.isNaN(at) ? undefined : at,
    query: {
      text: values.get("q") ?? "",
      statuses: listIn(values.get("status"), STATUSES),
      kinds: listIn(values.get("kind"), RUNNER_KINDS),
      healths: listIn(values.get("health"), HEALTH_VALUES),
      hosts: values.getAll("host").filter((host) => host !== ""),
      labels: values.getAll("label").filter((label) => label.includes(":")),
      sort: SORTS.find((sort) => sort === values.get("sort")) ?? PLAIN_QUERY.sort,
      group: GROUPS.find((group) => group === values.get("group")) ?? PLAIN_QUERY.group,
    },
  };
}

function pathOf(page: Page): string {
  switch (page.name) {
    case "fleet":
      return "/";
    case "runner":
      return `/runners/${page.runner}`;
    case "alerts":
    case "events":
    case "pipeline":
      return `/${page.name}`;
    case "nowhere":
      return page.path;
  }
}

/** The address of a place; what is as always is not in it. */
export function placeText({ page, query, at }: Place): string {
  const values: [string, string][] = [];
  const add = (name: string, value: string): void => {
    if (value !== "") values.push([name, value]);
  };
  if (page.name === "fleet") {
    add("q", query.text);
    add("status", query.statuses.join(","));
    add("kind", query.kinds.join(","));
    add("health", query.healths.join(","));
    for (const host of query.hosts) add("host", host);
    for (const label of query.labels) add("label", label);
    add("sort", query.sort === PLAIN_QUERY.sort ? "" : query.sort);
    add("group", query.group === PLAIN_QUERY.group ? "" : query.group);
  }
  add("at", at === undefined ? "" : new Date(at).toISOString());
  const text = new URLSearchParams(values).toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return pathOf(page) + (text === "" ? "" : `?${text}`);
}
