/** What Runbeat has written down of its own parts, as components of its health. */
import type { FindingView, RebuildView, StandingView } from "../core/standing.ts";
import { formatTime } from "../core/time.ts";
import type { Component } from "./health-component.ts";

/** It gives a sign of life every two seconds. */
const PROJECTOR_SILENT_MS = 15_000;
/** A rebuild that was not heard of for so long is none. */
const REBUILD_SILENT_MS = 15_000;

/** @param now of this computer's clock, which is the projector's too: they share the file. */
export function standingComponents(
  { projector, check, rebuild, findings, findingCount }: StandingView,
  now: number,
): Record<string, Component[]> {
  const components: Record<string, Component[]> = {};
  if (projector !== undefined)
    components["projector:process"] = [projectorComponent(projector.seenAt, now)];
  if (check !== undefined) {
    components["verify:rows"] = [
      {
        componentType: "system",
        status: findingCount === 0 ? "pass" : "fail",
        observedValue: findingCount,
        observedUnit: "differences",
        ...(findingCount === 0 ? {} : { output: findingsText(findings, findingCount) }),
        time: formatTime(check.at),
      },
    ];
  }
  if (rebuild !== undefined && isRunning(rebuild, now))
    components["rebuild:progress"] = [rebuildComponent(rebuild)];
  return components;
}

function projectorComponent(seenAt: number, now: number): Component {
  const silentMs = Math.max(0, now - seenAt);
  const isSilent = silentMs > PROJECTOR_SILENT_MS;
  return {
    componentType: "component",
    status: isSilent ? "fail" : "pass",
    observedValue: silentMs,
    observedUnit: "ms since it was heard of",
    ...(isSilent ? { output: "The projector is not running: start `runbeat projector`" } : {}),
    time: formatTime(seenAt),
  };
}

function isRunning({ at, phase }: RebuildView, now: number): boolean {
  return (phase === "folding" || phase === "comparing") && now - at < REBUILD_SILENT_MS;
}

function rebuildComponent({ at, projections, folded, total }: RebuildView): Component {
  return {
    componentType: "system",
    status: "pass",
    observedValue: total === 0 ? 100 : Math.floor((100 * folded) / total),
    observedUnit: "percent",
    output: `${projections.join(", ")}: readers have the rows of before until it is done`,
    time: formatTime(at),
  };
}

function findingsText(findings: readonly FindingView[], count: number): string {
  const rest = count - findings.length;
  const names = [...new Set(findings.map(({ projection }) => projection))].join(" ");
  return [
    ...findings.map(findingText),
    ...(rest > 0 ? [`and ${rest} more`] : []),
    `\`runbeat verify\` tells all of it, \`runbeat rebuild ${names}\` mends it`,
  ].join("; ");
}

function findingText(finding: FindingView): string {
  const { projection, row, column, live, folded, stream, firstSeq, lastSeq } = finding;
  const what = column === undefined ? "" : `, ${column}`;
  const from = `messages ${firstSeq} to ${lastSeq} of ${stream}`;
  return `${projection} ${row}${what}: the table has ${live}, ${from} give ${folded}`;
}
