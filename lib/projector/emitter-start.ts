/** From which messages on a source is judged, after a check of what its stream holds now. Pure. */
import { BEGINNING, earlierOf, laterOf } from "./emitter-outbox.ts";
import type { Mark } from "./emitter-outbox.ts";
import type { SourcePosition } from "./emitter-position.ts";

/** A stream as the server describes it now. */
export interface StreamNow {
  readonly name: string;
  readonly created: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** What the last message that a stream published to still holds says of its source. */
export interface OutputNow extends StreamNow {
  /** The source's sequence up to which everything was stored then; undefined where unknown. */
  readonly throughSeq: number | undefined;
}

export interface StartFacts {
  readonly position: SourcePosition | undefined;
  readonly source: StreamNow;
  readonly snapshots: OutputNow;
  readonly quarantine: OutputNow;
  /** Stream times of the messages at `judged`, `rejected` and `anchor`; undefined: gone. */
  readonly timeAt: (seq: number) => number | undefined;
}

export interface SourceStart {
  readonly judged: Mark;
  readonly rejected: Mark;
  readonly anchor: Mark;
  /** What was found amiss, for people. */
  readonly notices: readonly string[];
}

/** Sequences at which {@link StartFacts.timeAt} is asked. */
export function seqsToCheck(position: SourcePosition | undefined): number[] {
  if (position === undefined) return [];
  return [position.judged.seq, position.rejected.seq, position.anchor.seq];
}

/**
 * Goes on from the position where the stream still holds the messages that it was written after;
 * from an older one, or from the first message, where it does not. Judging a message twice does no
 * harm: what the snapshots and the quarantine hold already is not published again.
 */
export function startOfSource(facts: StartFacts): SourceStart {
  const { position, source } = facts;
  const notices: string[] = [];
  if (position === undefined) return startAt(BEGINNING, source, notices);
  if (position.created !== source.created) {
    notices.push(
      `stream ${source.name} was recreated on ${source.created}: it is judged from its first message`,
    );
    return startAt(BEGINNING, source, notices);
  }
  const { judged, rejected, anchor } = position;
  if (!isThere(laterOf(judged, rejected), facts)) {
    const from = isThere(anchor, facts) ? anchor : BEGINNING;
    notices.push(
      `the end of stream ${source.name} was lost: it is judged again from message ${from.seq + 1}`,
    );
    return startAt(from, source, notices);
  }
  return {
    judged: afterGap(withoutLostSnapshots(facts, position, notices), source, "judged", notices),
    rejected: afterGap(withoutLostRejects(facts, position, notices), source, "checked", notices),
    anchor,
    notices,
  };
}

function startAt(mark: Mark, source: StreamNow, notices: string[]): SourceStart {
  const from = mark.seq === 0 ? beforeFirst(source) : afterGap(mark, source, "judged", notices);
  return { judged: from, rejected: from, anchor: from, notices };
}

function beforeFirst(source: StreamNow): Mark {
  return { seq: Math.max(0, source.firstSeq - 1), time: 0 };
}

/** Whether the stream holds the very message that the mark names, as far as that can be told. */
function isThere(mark: Mark, { source, timeAt }: StartFacts): boolean {
  if (mark.seq > source.lastSeq) return false;
  const time = timeAt(mark.seq);
  return time === undefined || mark.time === 0 || time === mark.time;
}

function afterGap(mark: Mark, source: StreamNow, verb: string, notices: string[]): Mark {
  if (source.firstSeq <= mark.seq + 1) return mark;
  notices.push(
    `messages ${mark.seq + 1} to ${source.firstSeq - 1} of stream ${source.name} were removed before they were ${verb}`,
  );
  return beforeFirst(source);
}

/** A stream that is stored asynchronously can lose its last moments, acknowledged as they were. */
function hasLostItsEnd(output: OutputNow, then: SourcePosition["snapshots"]): boolean {
  return output.created === then.created && output.lastSeq < then.last_seq;
}

function withoutLostSnapshots(facts: StartFacts, position: SourcePosition, notices: string[]) {
  const { snapshots } = facts;
  if (!hasLostItsEnd(snapshots, position.snapshots)) return position.judged;
  return rewound(position.judged, snapshots, notices);
}

function withoutLostRejects(facts: StartFacts, position: SourcePosition, notices: string[]) {
  const { quarantine } = facts;
  if (!hasLostItsEnd(quarantine, position.quarantine)) return position.rejected;
  return rewound(position.rejected, quarantine, notices);
}

function rewound(mark: Mark, output: OutputNow, notices: string[]): Mark {
  // Nothing left of a stream that was pruned before: what was lost can't be told from what was
  // pruned, and pruned messages must not come back.
  const from = output.throughSeq ?? (output.firstSeq <= 1 ? 0 : mark.seq);
  notices.push(
    `the end of stream ${output.name} was lost: what is missing is judged again from message ${Math.min(from, mark.seq) + 1}`,
  );
  return earlierOf(mark, { seq: from, time: 0 });
}
