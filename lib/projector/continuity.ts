/** Whether a checkpoint still follows from the stream that it was folded from. Pure. */
import type { CheckpointRow } from "../store/tables.ts";

/** A stream as the server describes it now. */
export interface StreamNow {
  readonly name: string;
  readonly created: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Stream time of the message at the checkpoint, epoch ms; undefined when it is gone. */
  readonly timeAtCheckpoint: number | undefined;
}

export type Verdict =
  | { readonly goOn: true }
  /** The rows must be folded anew; `notice` says to people what was found. */
  | {
      readonly goOn: false;
      readonly notice: string;
      /** Whether it is only the end of the stream that is gone: older positions may still hold. */
      readonly isTailLost: boolean;
    };

const GO_ON: Verdict = { goOn: true };

function broken(notice: string, isTailLost = false): Verdict {
  return { goOn: false, notice, isTailLost };
}

/**
 * Judges a checkpoint at every (re)connect: a stream that was recreated, a checkpoint past the
 * end, a tail that was lost and written again, and messages that retention removed unread.
 */
export function judgeContinuity(
  checkpoint: Pick<CheckpointRow, "seq" | "time" | "stream_created">,
  stream: StreamNow,
): Verdict {
  const { seq } = checkpoint;
  if (checkpoint.stream_created !== stream.created) {
    return broken(`stream ${stream.name} was recreated on ${stream.created}`);
  }
  if (seq > stream.lastSeq) {
    return broken(
      `checkpoint ${seq} is past the end ${stream.lastSeq} of stream ${stream.name}`,
      true,
    );
  }
  if (stream.firstSeq > seq + 1) {
    const [from, to] = [seq + 1, stream.firstSeq - 1];
    return broken(
      `retention gap: messages ${from} to ${to} of stream ${stream.name} are gone unread`,
    );
  }
  const { timeAtCheckpoint } = stream;
  if (seq > 0 && timeAtCheckpoint !== undefined && timeAtCheckpoint !== checkpoint.time) {
    return broken(
      `message ${seq} of stream ${stream.name} is not the one that was folded: the end of the stream was lost and written again`,
      true,
    );
  }
  return GO_ON;
}
