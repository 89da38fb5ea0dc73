/**
 * What the sentinel that watches says of its own work, now and then, for metrics: it lies in the
 * bucket of leases for as long as it is fresh. Counts begin anew with each.
 */
import { z } from "zod";
import type { Prefixes } from "./subject.ts";

export const SENTINEL_REPORT_EVERY_MS = 5_000;
/** Older ones are gone: nobody watches, or NATS does not take what it says. */
export const SENTINEL_REPORT_LIFE_SEC = 20;

const count = z.number().int().min(0);

const reportSchema = z.object({
  /** Looks at the whole fleet. */
  looks: count,
  /** Of the last look, on the clock of its host. */
  last_look_at: z.number(),
  last_look_ms: z.number().min(0),
  /** Alerts that wait to be stored. */
  waiting: count,
  sinks: z.array(
    z.object({
      name: z.string().max(100),
      /** Alerts told. */
      delivered: count,
      /** Tries that failed. */
      failed: count,
      /** Messages that it has not been told of; null where that is not known. */
      pending: count.nullable(),
    }),
  ),
});

export type SentinelReport = z.output<typeof reportSchema>;

/** Where it lies: a key of the bucket for leases and positions. */
export function sentinelReportPlace({ stream }: Prefixes): { stream: string; subject: string } {
  const bucket = `${stream}_STATE`;
  return { stream: `KV_${bucket}`, subject: `$KV.${bucket}.sentinel-report` };
}

/** Undefined for what can't be read. */
export function parseSentinelReport(text: string): SentinelReport | undefined {
  try {
    return reportSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
