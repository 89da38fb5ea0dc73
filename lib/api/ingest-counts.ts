export const INGEST_RESULTS = [
  "stored",
  "invalid",
  "forbidden",
  "unknown_worker",
  "rate_limited",
  "unavailable",
] as const;
export type IngestResult = (typeof INGEST_RESULTS)[number];

/** What became of heartbeats that came over HTTP, for the metrics page. */
export class IngestCounts {
  private readonly counts = new Map<IngestResult, number>();

  count(result: IngestResult, heartbeats = 1): void {
    this.counts.set(result, (this.counts.get(result) ?? 0) + heartbeats);
  }

  all(): readonly (readonly [IngestResult, number])[] {
    return INGEST_RESULTS.map((result) => [result, this.counts.get(result) ?? 0] as const);
  }
}
