import type { LiveChunk } from "./live-client.ts";
import type { LivePlace } from "./live-frame.ts";

/** Runners that are sent at a time: what a full socket still has to hold. */
export const PART_RUNNERS = 1_000;

/**
 * The fleet as it is when a client begins, in parts. Each is made when the first client takes it,
 * and kept: all pages come back at once after the API was away.
 */
export class LiveSnapshot {
  /** What comes after it is told to whoever has taken all parts: a part may be newer, never older. */
  readonly place: LivePlace;
  /** Parts that there are: one, and empty, where there are no runners. */
  readonly size: number;
  private readonly runners: readonly string[];
  private readonly parts: LiveChunk[] = [];

  constructor(place: LivePlace, runners: readonly string[]) {
    this.place = place;
    this.runners = runners;
    this.size = Math.max(1, Math.ceil(runners.length / PART_RUNNERS));
  }

  /** @param make is given the runners of the part, and whether more parts come. */
  part(index: number, make: (runners: readonly string[], isMore: boolean) => LiveChunk): LiveChunk {
    const runners = this.runners.slice(index * PART_RUNNERS, (index + 1) * PART_RUNNERS);
    return (this.parts[index] ??= make(runners, index + 1 < this.size));
  }
}
