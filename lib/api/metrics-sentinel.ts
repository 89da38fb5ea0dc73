/** Metrics of the sentinel, which is another process: it leaves them where the API can read them. */
import { parseSentinelReport } from "../core/sentinel-report.ts";
import type { SentinelReport } from "../core/sentinel-report.ts";
import type { Api } from "./api.ts";
import { family } from "./metrics-text.ts";
import type { Sample } from "./metrics-text.ts";

/** No samples where NATS can't be asked, or where an import is shown that nobody watches. */
export async function sentinelMetrics({ streams, monitor }: Api): Promise<string[]> {
  if (monitor.standsAt() !== undefined) return familiesOf(undefined, []);
  const text = await streams.sentinelReport().catch(() => undefined);
  if (text === undefined) return familiesOf(undefined, []);
  const report = text === null ? undefined : parseSentinelReport(text);
  return familiesOf(report, [[{}, report === undefined ? 0 : 1]]);
}

function one(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [[{}, value]];
}

function familiesOf(report: SentinelReport | undefined, up: readonly Sample[]): string[] {
  const sinks = report?.sinks ?? [];
  const lookedAt = report === undefined ? undefined : report.last_look_at / 1_000;
  const tookSec = report === undefined ? undefined : report.last_look_ms / 1_000;
  return [
    family("runbeat_sentinel_up", "gauge", "Whether a sentinel watches the fleet.", up),
    family(
      "runbeat_sentinel_looks_total",
      "counter",
      "Looks of the sentinel at the whole fleet.",
      one(report?.looks),
    ),
    family(
      "runbeat_sentinel_last_look_timestamp_seconds",
      "gauge",
      "When the sentinel looked last, by its host's clock.",
      one(lookedAt),
    ),
    family(
      "runbeat_sentinel_last_look_duration_seconds",
      "gauge",
      "How long that look took.",
      one(tookSec),
    ),
    family(
      "runbeat_alerts_waiting",
      "gauge",
      "Messages of alerts that wait to be stored.",
      one(report?.waiting),
    ),
    family(
      "runbeat_sink_deliveries_total",
      "counter",
      "Alerts that a sink took, and tries that failed.",
      sinks.flatMap(({ name: sink, delivered, failed }): Sample[] => [
        [{ sink, result: "taken" }, delivered],
        [{ sink, result: "failed" }, failed],
      ]),
    ),
    family(
      "runbeat_sink_pending",
      "gauge",
      "Messages of alerts that a sink has not been told of.",
      sinks.flatMap(({ name: sink, pending }): Sample[] =>
        pending === null ? [] : [[{ sink }, pending]],
      ),
    ),
  ];
}
