/** What Runbeat knows of its own parts. Times are epoch ms. */

export type RebuildPhase =
  "folding" | "comparing" | "switched" | "ready" | "interrupted" | "failed";

/** The rebuild that runs, or ran last. */
export interface RebuildView {
  /** When it was last heard of, on its own clock. */
  readonly at: number;
  readonly projections: readonly string[];
  readonly phase: RebuildPhase;
  /** Messages, of all streams together. */
  readonly folded: number;
  readonly total: number;
}

/** The last check of rows against the messages that made them. */
export interface RowCheckView {
  readonly at: number;
  /** All rows, or those of a few runners. */
  readonly scope: "all" | "sample";
  readonly rows: number;
  /** Rows of which messages have left the streams, in full or in part. */
  readonly unjudged: number;
}

/** A row that is not what its messages give. */
export interface FindingView {
  readonly projection: string;
  /** Its key, readable. */
  readonly row: string;
  /** Undefined where the whole row is missing or too many. */
  readonly column: string | undefined;
  readonly live: string;
  readonly folded: string;
  readonly stream: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** What Runbeat knows of its own parts. */
export interface StandingView {
  /** `outdated`: projections whose rows another version of their fold made. */
  readonly projector?: { readonly seenAt: number; readonly outdated: readonly string[] };
  readonly rebuild?: RebuildView;
  readonly check?: RowCheckView;
  /** The first few of the differences that are known. */
  readonly findings: readonly FindingView[];
  readonly findingCount: number;
}
