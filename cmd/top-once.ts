/** The fleet once, for scripts. */
import type { TopRunner } from "../lib/terminal/top-fleet.ts";
import { rowsOf } from "../lib/terminal/top-view.ts";
import type { TopView } from "../lib/terminal/top-view.ts";
import type { ReadApi } from "./read-api.ts";
import { readAlerts, readFleet } from "./top-source.ts";

export const ONCE_FORMATS = ["json", "csv"] as const;
export type OnceFormat = (typeof ONCE_FORMATS)[number];

/** The table as text, in the view's order and with its filter. */
export async function topOnce(api: ReadApi, view: TopView, format: OnceFormat): Promise<string> {
  const [fleet, alerts] = await Promise.all([
    readFleet(api, view.at),
    view.at === undefined ? readAlerts(api) : undefined,
  ]);
  const items = rowsOf(view, fleet.runners.values());
  if (format === "csv") return csvText(items);
  const { as_of, ...summary } = fleet.summary ?? { as_of: null };
  return `${JSON.stringify({ items, summary, alerts: alerts ?? null, as_of }, null, 2)}\n`;
}

type Cell = string | number | boolean | null | undefined;

const COLUMNS: readonly (readonly [name: string, cell: (runner: TopRunner) => Cell])[] = [
  ["runner", (one) => one.runner],
  ["status", (one) => one.status],
  ["status_since", (one) => one.status_since],
  ["health", (one) => one.health],
  ["host", (one) => one.process?.host],
  ["pid", (one) => one.process?.pid],
  ["last_heartbeat_at", (one) => one.last_heartbeat_at],
  ["age_ms", (one) => one.age_ms],
  ["fps", (one) => one.heartbeat?.fps],
  ["restarts", (one) => one.process?.restarts],
  ["clock_skew_ms", (one) => one.clock_skew_ms],
  ["paused", (one) => one.paused],
  ["last_error", (one) => one.last_error],
];

/** Source: RFC 4180, with line feeds. */
function csvText(items: readonly TopRunner[]): string {
  const lines = items.map((item) => COLUMNS.map(([, cell]) => quoted(cell(item))).join(","));
  return `${[COLUMNS.map(([name]) => name).join(","), ...lines].join("\n")}\n`;
}

function quoted(cell: Cell): string {
  const text = String(cell ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
