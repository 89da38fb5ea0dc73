/** What the API wants of moments that are past. */
import type { Moment, ReadModels } from "../core/read-models.ts";
import type { StreamState } from "./pipeline-watch.ts";

/** The read models as they were at a moment; good while it is being used. */
export interface PastState {
  readonly models: ReadModels;
  readonly moment: Moment;
  /** The streams as far as they had come. */
  readonly streams: readonly StreamState[];
  /** The last heartbeat that the stream held. */
  readonly heartbeatSeq: number;
}

export interface PastAccess {
  /**
   * Opens the state of a moment for a piece of work.
   * @param at epoch ms on the server's clock.
   * Rejects with AppError `invalid` for a moment that has not come yet, `not_found` for one of which
   * nothing is known, `unavailable` while it can't be told.
   */
  use<T>(at: number, work: (state: PastState) => T | Promise<T>): Promise<T>;
}
