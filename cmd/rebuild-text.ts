/** What `runbeat rebuild` prints. */
import type { Difference } from "../lib/operator/compare-rows.ts";
import type { LaneReport } from "../lib/operator/compare-lanes.ts";
import type { RebuildProgress, RebuildReport } from "../lib/operator/rebuild.ts";
import { countText } from "../lib/core/amount.ts";
import { lagText } from "../lib/terminal/duration.ts";

/** Differences printed per table; `--json` has them all. */
const MAX_SHOWN = 10;
/** A value longer than this is cut: it is one line each. */
const MAX_VALUE_CHARS = 60;

/** One line, over and over: how far, how fast, how long still. */
export function progressLine({ folded, total, perSec }: RebuildProgress): string {
  const percent = total === 0 ? 100 : Math.floor((100 * folded) / total);
  const rate = `${countText(Math.round(perSec))}/s`;
  const left = perSec === 0 ? "" : `, ${lagText(((total - folded) / perSec) * 1_000)} left`;
  return `${countText(folded)} of ${countText(total)} messages (${percent} %), ${rate}${left}`;
}

interface Asked {
  readonly rollback?: boolean;
}

/** @param names of the projections, as they were asked for. */
export function rebuildText(report: RebuildReport, names: readonly string[], asked: Asked): string {
  const own = ["runbeat rebuild", ...names].join(" ");
  const isWhole = report.resumed.length === report.tables.length;
  const went = `Went on from an earlier rebuild${isWhole ? "" : `: ${report.resumed.join(", ")}`}`;
  const resumed = report.resumed.length === 0 || report.tables.length === 0 ? [] : [went, ""];
  const tables = report.tables.flatMap(tableLines);
  return `${[...resumed, ...tables, ...ending(report, own, asked)].join("\n")}\n`;
}

function ending(report: RebuildReport, own: string, { rollback }: Asked): string[] {
  const { outcome, tables, folded, total, tookMs } = report;
  const found = tables.reduce((sum, { differences }) => sum + differences.length, 0);
  const differences = `${countText(found)} ${found === 1 ? "difference" : "differences"}`;
  const work = `${countText(folded)} messages in ${lagText(tookMs)}`;
  switch (outcome) {
    case "interrupted":
      return [
        `Interrupted after ${countText(folded)} of ${countText(total)} messages. Nothing was exchanged;`,
        `\`${own}\` goes on from there.`,
      ];
    case "ready":
      return [
        "",
        `${work}, ${differences}. Nothing was exchanged: that was a dry run.`,
        `\`${own}\` goes on from there.`,
      ];
    case "switched":
      return rollback === true
        ? ["", `${work}, ${differences}. The rows of before are live again.`]
        : [
            "",
            `${work}, ${differences}. The new rows are live;`,
            `\`${own} --rollback\` goes back to those of before.`,
          ];
  }
}

function tableLines(report: LaneReport): string[] {
  const { table, compared, stream, seq, differences, unjudged, moving } = report;
  const mark = differences.length === 0 ? "same" : "DIFF";
  const head = `${mark} ${table.padEnd(18)} ${countText(compared).padStart(9)} rows, up to ${stream} ${seq}`;
  const versions =
    report.fromVersion === null || report.fromVersion === report.toVersion
      ? []
      : [`       version ${report.fromVersion} of its fold → version ${report.toVersion}`];
  const aside = [
    unjudged === 0 ? "" : `${countText(unjudged)} rows of which messages have left the stream`,
    moving === 0 ? "" : `${countText(moving)} rows that change right now`,
  ].filter((text) => text !== "");
  const notJudged = aside.length === 0 ? [] : [`       not compared: ${aside.join("; ")}`];
  const rest = differences.length - MAX_SHOWN;
  return [
    head,
    ...versions,
    ...differences.slice(0, MAX_SHOWN).map(differenceLine),
    ...(rest > 0 ? [`       and ${countText(rest)} more`] : []),
    ...notJudged,
  ];
}

function differenceLine({ row, column, live, folded, firstSeq, lastSeq }: Difference): string {
  const what = column === undefined ? "" : `${column}: `;
  const messages = firstSeq === lastSeq ? `message ${lastSeq}` : `messages ${firstSeq}–${lastSeq}`;
  return `       ${row}: ${what}${shown(live)} → ${shown(folded)} (${messages})`;
}

function shown(value: unknown): string {
  const isPlain = typeof value === "string" && value !== "";
  const text = isPlain ? value : JSON.stringify(value);
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS - 1)}…` : text;
}

export function rebuildJson(report: RebuildReport): string {
  const { outcome, resumed, tables, folded, total, tookMs } = report;
  const body = {
    outcome,
    resumed,
    messages_folded: folded,
    messages_total: total,
    took_ms: tookMs,
    tables: tables.map((table) => ({
      projection: table.projection,
      table: table.table,
      from_version: table.fromVersion,
      to_version: table.toVersion,
      stream: table.stream,
      seq: table.seq,
      compared: table.compared,
      unjudged: table.unjudged,
      moving: table.moving,
      differences: table.differences.map(differenceJson),
    })),
  };
  return `${JSON.stringify(body, null, 2)}\n`;
}

function differenceJson(difference: Difference): object {
  const { row, column, live, folded, firstSeq, lastSeq } = difference;
  return { row, column: column ?? null, live, folded, first_seq: firstSeq, last_seq: lastSeq };
}
