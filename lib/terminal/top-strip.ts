/**
 * The last hour of a runner as a strip of characters, one shape for each status: the higher, the
 * worse. It follows from changes of status; what nobody told stays blank.
 */
import { withOutages } from "../core/outage-spans.ts";
import type { Outage, Stretch } from "../core/outage-spans.ts";
import { STATUS_SEVERITY } from "../core/status.ts";
import type { Status } from "../core/status.ts";
import { paint, statusColour } from "./style.ts";
import type { TerminalLooks } from "./style.ts";

export interface StatusChange {
  /** Epoch ms. */
  readonly time: number;
  readonly from: Status;
  readonly to: Status;
}

export interface StripFacts {
  /** Oldest first. */
  readonly changes: readonly StatusChange[];
  readonly status: Status;
  /** Since when it has its status, epoch ms. */
  readonly since: number;
  readonly nowMs: number;
  /** Times in which nobody could see. */
  readonly outages: readonly Outage[];
}

export const STRIP_MS = 3_600_000;

const SHAPES: Readonly<Record<Status, { readonly glyph: string; readonly ascii: string }>> = {
  online: { glyph: "▁", ascii: "_" },
  starting: { glyph: "·", ascii: "." },
  stale: { glyph: "▃", ascii: "~" },
  missing: { glyph: "▅", ascii: "o" },
  offline: { glyph: "█", ascii: "X" },
  unknown: { glyph: "░", ascii: "?" },
};

/** @param cells columns, oldest on the left; in each the worst of its span is shown. */
export function stripText(facts: StripFacts, cells: number, looks: TerminalLooks): string {
  const stretches = withOutages(stretchesOf(facts), facts.outages);
  const spanMs = STRIP_MS / cells;
  const start = facts.nowMs - STRIP_MS;
  let text = "";
  let run = "";
  let runStatus: Status | undefined;
  const flush = (): void => {
    text += runStatus === undefined ? run : paint(run, statusColour(runStatus), looks);
    run = "";
  };
  for (let cell = 0; cell < cells; cell++) {
    const status = worstIn(stretches, start + cell * spanMs, start + (cell + 1) * spanMs);
    if (status !== runStatus) flush();
    runStatus = status;
    run += status === undefined ? " " : looks.unicode ? SHAPES[status].glyph : SHAPES[status].ascii;
  }
  flush();
  return text;
}

/** What each shape stands for. */
export function stripLegend(looks: TerminalLooks): string {
  return (Object.keys(SHAPES) as Status[])
    .map((status) => {
      const { glyph, ascii } = SHAPES[status];
      return `${paint(looks.unicode ? glyph : ascii, statusColour(status), looks)} ${status}`;
    })
    .join("  ");
}

function stretchesOf({ changes, status, since, nowMs }: StripFacts): Stretch[] {
  const known = changes.filter(({ time }) => time < since);
  const stretches: Stretch[] = [];
  const [first] = known;
  const before = first === undefined ? undefined : beforeFirst(first);
  if (first !== undefined) stretches.push({ from: -Infinity, to: first.time, status: before });
  known.forEach(({ time, to }, at) => {
    stretches.push({ from: time, to: known[at + 1]?.time ?? since, status: to });
  });
  // The change to the present status says what was before, even where it stands alone.
  const last = changes.find(({ time }) => time >= since);
  if (first === undefined && last !== undefined)
    stretches.push({ from: -Infinity, to: since, status: beforeFirst(last) });
  return [...stretches, { from: since, to: nowMs + 1, status }];
}

/** Before a runner started, or was heard of, there was nothing that could have had a status. */
function beforeFirst({ from }: StatusChange): Status | undefined {
  return from === "starting" || from === "unknown" ? undefined : from;
}

function worstIn(stretches: readonly Stretch[], from: number, to: number): Status | undefined {
  let worst: Status | undefined;
  for (const stretch of stretches) {
    if (stretch.from >= to || stretch.to <= from || stretch.status === undefined) continue;
    if (worst === undefined || STATUS_SEVERITY[stretch.status] < STATUS_SEVERITY[worst])
      worst = stretch.status;
  }
  return worst;
}
