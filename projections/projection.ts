/** What a read model is: a name, a stream, a table and a pure fold. */
import type { AlertRecord } from "../lib/core/alert.ts";
import type { RunnerEvent } from "../lib/core/event.ts";
import type { Heartbeat } from "../lib/core/heartbeat.ts";
import type { QuarantineMessage } from "../lib/core/quarantine.ts";
import type { Snapshot } from "../lib/core/snapshot.ts";
import type { StreamKey } from "../lib/core/subject.ts";
import type { KeyValues, RunnerColumns, TableShape } from "../lib/store/tables.ts";

/** Where and when the stream stored a message. */
export interface Stored {
  readonly seq: number;
  /** Epoch ms, on the server's clock: the only clock that folds know. */
  readonly time: number;
}

export interface HeartbeatMessage extends Stored {
  readonly runner: RunnerColumns;
  /** Identifies the process: runner, host, pid and start. */
  readonly processKey: string;
  /** One list per runner for whoever folds: what it found for this runner last. Not for folds. */
  readonly memo: unknown[];
  readonly heartbeat: Heartbeat;
}

export interface EventMessage extends Stored {
  readonly runner: RunnerColumns;
  readonly event: RunnerEvent;
}

export interface SnapshotMessage extends Stored {
  readonly runner: RunnerColumns;
  readonly snapshot: Snapshot;
}

export interface QuarantinedMessage extends Stored {
  readonly quarantined: QuarantineMessage;
}

export interface AlertsMessage extends Stored {
  readonly record: AlertRecord;
}

/** Messages by the stream that they come from. */
export interface MessageOf {
  heartbeats: HeartbeatMessage;
  snapshots: SnapshotMessage;
  events: EventMessage;
  quarantine: QuarantinedMessage;
  alerts: AlertsMessage;
}

export type FoldedStream = keyof MessageOf & StreamKey;

/**
 * What can be said of a row whose first messages the stream no longer holds, by folding the rest.
 * Columns that are not named here follow from all messages and can't be judged then.
 */
export interface PartlyKnown<Row> {
  /** Only where the two agree on these are they the same thing at all. */
  readonly given: readonly (keyof Row & string)[];
  /** Follow from the last message alone. */
  readonly always: readonly (keyof Row & string)[];
  /** Follow from the messages that are left if those say anything (are not null). */
  readonly whenSaid: readonly (keyof Row & string)[];
}

/**
 * A read model. `evolve` is pure: the same messages in the same order give the same rows, however
 * they are split into batches. It returns undefined where a message changes nothing, and never
 * changes the row that it was given, unless it is told that it may.
 */
export interface Projection<S extends FoldedStream, Row extends object> {
  readonly name: string;
  /** Raised when the fold changes its meaning; rows of another version are folded anew. */
  readonly version: number;
  readonly stream: S;
  readonly table: TableShape<Row>;
  /** Whether a cold start needs it to tell statuses, and so folds it from newest messages first. */
  readonly tellsStatus: boolean;
  /** Every message makes a row of its own that no later message changes. */
  readonly appends: boolean;
  readonly partlyKnown: PartlyKnown<Row>;
  /** The row that a message changes; undefined when it does not concern this read model. */
  key(message: MessageOf[S]): string | undefined;
  keyValues(message: MessageOf[S]): KeyValues;
  /**
   * @param isOurs the row is nobody else's and may be changed and given back: with a backlog most
   *   rows are overwritten many times before anybody reads them. A fold need not make use of it.
   */
  evolve(row: Row | undefined, message: MessageOf[S], isOurs?: boolean): Row | undefined;
}

/** A projection whose types are of no concern to the one that holds it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyProjection = Projection<any, any>;
