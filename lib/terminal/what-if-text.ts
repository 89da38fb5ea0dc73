/** A what-if's report for people. */
import type { Tally, WhatIfExample, WhatIfTotals } from "../core/what-if-comparison.ts";
import { countText } from "../core/amount.ts";
import { paint } from "./style.ts";
import type { Colour, TerminalLooks } from "./style.ts";
import { fit, tableLines } from "./table.ts";

export interface ShownWhatIf extends WhatIfTotals {
  readonly isSame: boolean;
  readonly runners: number;
  readonly recorded: {
    readonly heartbeats: number;
    readonly events: number;
    readonly transitions: number;
    readonly restarts: number;
  };
  readonly examples: readonly WhatIfExample[];
  /** Epoch ms. */
  readonly from: number;
  readonly to: number;
  /** What was changed, as people write it. */
  readonly changes: readonly {
    readonly name: string;
    readonly from: string;
    readonly to: string;
  }[];
}

/** Examples shown; `--json` has more. */
const MAX_SHOWN = 20;

const SIGNS: Record<WhatIfExample["difference"], { sign: string; colour: Colour }> = {
  missed: { sign: "-", colour: "red" },
  added: { sign: "+", colour: "green" },
  moved: { sign: "~", colour: "yellow" },
};

export function whatIfLines(report: ShownWhatIf, looks: TerminalLooks): string[] {
  const changes = report.changes.map(({ name, from, to }) => `${name}=${to} (now ${from})`);
  return [
    paint(`What if ${changes.join(", ")}`, "bold", looks),
    `${clock(report.from)} to ${clock(report.to)} UTC: ${countText(report.runners)} runners, ` +
      `${countText(report.recorded.heartbeats)} heartbeats, ${countText(report.recorded.events)} events`,
    "",
    ...(report.isSame ? ["No difference.", ""] : []),
    ...totalLines(report, looks),
    ...exampleLines(report.examples, looks),
    "",
    ...NOTE,
  ].map((line) => fit(line, looks.width, looks));
}

/** What no simulation of the past can know. */
const NOTE = [
  "Heartbeats and ends of processes are taken as they were recorded. Nobody knows what",
  "a process would have done that was restarted sooner, later or not: a restart here",
  "is taken to help until something else was recorded.",
];

const COLUMNS = ["RECORDED", "AS IT IS", "WHAT IF", "MISSED", "ADDED", "MOVED"].map((title) => ({
  title,
  align: "right" as const,
}));

function totalLines(report: ShownWhatIf, looks: TerminalLooks): string[] {
  const { recorded } = report;
  const changes = [...report.transitionsBy].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const rows = [
    row("changes of status", recorded.transitions, report.transitions),
    ...changes.map(([name, tally]) => row(`  ${name}`, undefined, tally)),
    row("restarts", recorded.restarts, report.restarts),
    row("attempts used up", undefined, report.exhausted),
    row("restarts denied", undefined, report.denied),
    row("alerts raised", undefined, report.alerts),
    row("snapshots", undefined, report.snapshots),
  ];
  return tableLines([{ title: "", min: 18 }, ...COLUMNS], rows, looks);
}

function row(name: string, recorded: number | undefined, tally: Tally): string[] {
  const { baseline, changed, missed, added, moved } = tally;
  const told = recorded === undefined ? "" : countText(recorded);
  return [name, told, ...[baseline, changed, missed, added, moved].map(countText)];
}

function exampleLines(examples: readonly WhatIfExample[], looks: TerminalLooks): string[] {
  if (examples.length === 0) return [];
  const shown = examples.slice(0, MAX_SHOWN).map(({ difference, runner, at, byMs, text }) => {
    const { sign, colour } = SIGNS[difference];
    const when = new Date(at).toISOString().slice(11, 19);
    const by = byMs === 0 ? "" : `${Math.abs(byMs) / 1_000} s ${byMs < 0 ? "sooner" : "later"}`;
    return [paint(sign, colour, looks), when, runner, by === "" ? text : `${text}, ${by}`];
  });
  const columns = [{ title: "" }, { title: "TIME" }, { title: "RUNNER" }, { title: "DIFFERENCE" }];
  const more = examples.length > MAX_SHOWN ? ["and more: see --json"] : [];
  return ["", ...tableLines(columns, shown, looks), ...more];
}

function clock(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}
