/** Where projections stand, checked against what the stream holds now. */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { timeOfSeq } from "../nats/message-time.ts";
import type { CheckpointStore, Position } from "../store/checkpoint.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { Lane } from "../store/lanes.ts";
import type { CheckpointRow } from "../store/tables.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { judgeContinuity } from "./continuity.ts";
import { resetFold, takeBackRows } from "./fold.ts";
import type { UndoLog } from "./undo-log.ts";

export interface PositionContext {
  readonly jsm: JetStreamManager;
  readonly db: SqliteDatabase;
  readonly checkpoints: CheckpointStore;
  readonly say: (projection: string, notice: string) => void;
  /** What a projection's last commits changed. */
  readonly undo: (projection: string) => UndoLog;
  /** `main` unless given. */
  readonly lane?: Lane;
}

/** Before the first message that a stream still holds. */
export function beforeFirst(info: StreamInfo): Position {
  return {
    stream: info.config.name,
    streamCreated: info.created,
    seq: Math.max(0, info.state.first_seq - 1),
    time: 0,
  };
}

async function timeOf(
  jsm: JetStreamManager,
  info: StreamInfo,
  seq: number,
): Promise<number | undefined> {
  if (seq < Math.max(1, info.state.first_seq) || seq > info.state.last_seq) return undefined;
  return await timeOfSeq(jsm, info, seq);
}

function keyOf(projection: AnyProjection, lane: Lane, version = projection.version) {
  return { projection: projection.name, version, partition: 0, lane };
}

/**
 * A projection's checkpoint as it stands now. Where there is none of the fold's own version, the
 * one of another: its rows are served, and folded on, until a rebuild has made those that are due.
 */
export function checkpointOf(
  checkpoints: CheckpointStore,
  projection: AnyProjection,
  lane: Lane = "main",
): CheckpointRow | undefined {
  return checkpoints.read(keyOf(projection, lane)) ?? checkpoints.readAny(projection.name, lane);
}

/**
 * The position to go on from; folds anew, saying why, where the rows no longer follow.
 * @param row the checkpoint as it was before the stream was asked for: a stream that is asked
 * first may have gone on by the time of a checkpoint that another worker moves.
 */
export async function checkedPosition(
  context: PositionContext,
  projection: AnyProjection,
  info: StreamInfo,
  row: CheckpointRow | undefined,
): Promise<Position> {
  const { jsm } = context;
  if (row === undefined) return restart(context, projection, info, row, null);
  const verdict = judgeContinuity(row, {
    name: info.config.name,
    created: info.created,
    firstSeq: info.state.first_seq,
    lastSeq: info.state.last_seq,
    timeAtCheckpoint: await timeOf(jsm, info, row.seq),
  });
  if (!verdict.goOn) {
    const earlier = verdict.isTailLost
      ? await findEarlier(context, projection, info, row)
      : undefined;
    if (earlier !== undefined) return goBack(context, projection, row, earlier, verdict.notice);
    const notice = `${verdict.notice}; its rows are folded anew from what the stream holds`;
    return restart(context, projection, info, row, notice);
  }
  return positionOf(row);
}

/** The newest position that still follows from the stream, of those that can be gone back to. */
async function findEarlier(
  { jsm, undo }: PositionContext,
  projection: AnyProjection,
  info: StreamInfo,
  row: CheckpointRow,
): Promise<Position | undefined> {
  const current = { seq: row.seq, time: row.time, streamCreated: row.stream_created };
  const positions = undo(projection.name).positionsBefore(current);
  let found: Position | undefined;
  for (let low = 0, high = positions.length - 1; low <= high;) {
    const middle = (low + high) >> 1;
    const position = positions[middle];
    if (position === undefined) break;
    if ((await timeOf(jsm, info, position.seq)) === position.time) {
      found = position;
      low = middle + 1;
    } else high = middle - 1;
  }
  return found;
}

/** Takes the last commits back, unless another worker has moved the checkpoint meanwhile. */
function goBack(
  { db, checkpoints, say, undo }: PositionContext,
  projection: AnyProjection,
  judged: CheckpointRow,
  position: Position,
  notice: string,
): Position {
  const key = keyOf(projection, "main", judged.version);
  return db
    .transaction(() => {
      const now = checkpointOf(checkpoints, projection);
      if (now !== undefined && isMoved(now, judged)) return positionOf(now);
      const told = `${notice}; messages ${position.seq + 1} to ${judged.seq} were taken back`;
      say(projection.name, told);
      takeBackRows(db, projection, undo(projection.name).takeBack(position));
      checkpoints.reset(key, position, told);
      return position;
    })
    .immediate();
}

function isMoved(now: CheckpointRow, judged: CheckpointRow | undefined): boolean {
  return now.seq !== judged?.seq || now.stream_created !== judged.stream_created;
}

function positionOf(row: CheckpointRow): Position {
  return { stream: row.stream, streamCreated: row.stream_created, seq: row.seq, time: row.time };
}

/** Resets, unless another worker has moved the checkpoint since it was judged. */
function restart(
  { db, checkpoints, say, lane = "main" }: PositionContext,
  projection: AnyProjection,
  info: StreamInfo,
  judged: CheckpointRow | undefined,
  notice: string | null,
): Position {
  return db
    .transaction(() => {
      const now = checkpointOf(checkpoints, projection, lane);
      if (now !== undefined && isMoved(now, judged)) return positionOf(now);
      if (notice !== null) say(projection.name, notice);
      const start = beforeFirst(info);
      resetFold(db, checkpoints, projection, lane, start, notice);
      return start;
    })
    .immediate();
}
