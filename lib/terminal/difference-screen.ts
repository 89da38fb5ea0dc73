/** `runbeat diff` as text: the counts, then each runner with what changed of it. */
import { CHANGE_KINDS } from "../core/fleet-difference.ts";
import type { Change, FleetDifference } from "../core/fleet-difference.ts";
import type { Status } from "../core/status.ts";
import { formatTime } from "../core/time.ts";
import { runtimeText } from "./duration.ts";
import { paint, statusText } from "./style.ts";
import type { TerminalLooks } from "./style.ts";
import { fit, harmless } from "./table.ts";

const LABEL_WIDTH = 10;

/** @param from epoch ms. @param to epoch ms. */
export function differenceScreen(
  { runners, counts }: FleetDifference,
  span: { readonly from: number; readonly to: number },
  looks: TerminalLooks,
): string {
  const parts = CHANGE_KINDS.filter((kind) => counts[kind] > 0).map(
    (kind) => `${paint(String(counts[kind]), "bold", looks)} ${kind}`,
  );
  const lines = [
    `From ${formatTime(span.from)} to ${formatTime(span.to)} (${runtimeText(span.to - span.from)})`,
    runners.length === 0
      ? "Nothing changed."
      : `${paint(`${runners.length} ${runners.length === 1 ? "runner" : "runners"} changed:`, "bold", looks)}  ${parts.join("  ")}`,
  ];
  for (const { runner, changes } of runners) {
    lines.push("", paint(harmless(runner), "bold", looks));
    for (const change of changes) lines.push(fit(changeLine(change, looks), looks.width, looks));
  }
  return `${lines.join("\n")}\n`;
}

function changeLine(change: Change, looks: TerminalLooks): string {
  const label = `  ${change.what.padEnd(LABEL_WIDTH)}`;
  const arrow = looks.unicode ? "→" : "->";
  const [from, to] = [change.from, change.to].map((value) => valueText(change, value, looks));
  if (change.what === "appeared") return `${label}${to}`;
  if (change.what === "gone") return `${label}was ${from}`;
  return `${label}${from} ${arrow} ${to}`;
}

function valueText({ what }: Change, value: string | null, looks: TerminalLooks): string {
  if (value === null) return paint("none", "dim", looks);
  const isStatus = what === "status" || what === "appeared" || what === "gone";
  return isStatus ? statusText(value as Status, looks) : harmless(value);
}
