/** Where projections stand, checked against what the stream holds now. */
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { CheckpointStore, Position } from "../store/checkpoint.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { CheckpointRow, Lane } from "../store/tables.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { judgeContinuity } from "./continuity.ts";
import { resetFold } from "./fold.ts";

export interface PositionContext {
  readonly jsm: JetStreamManager;
  readonly db: SqliteDatabase;
  readonly checkpoints: CheckpointStore;
  readonly say: (projection: string, notice: string) => void;
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
  const message = await jsm.streams.getMessage(info.config.name, { seq });
  return message === null ? undefined : Math.floor(message.time.getTime());
}

function keyOf(projection: AnyProjection, lane: Lane) {
  return { projection: projection.name, version: projection.version, partition: 0, lane };
}

/** The position to go on from; folds anew, saying why, where the rows no longer follow. */
export async function checkedPosition(
  context: PositionContext,
  projection: AnyProjection,
  info: StreamInfo,
): Promise<Position> {
  const { jsm, checkpoints } = context;
  const row = checkpoints.read(keyOf(projection, "main"));
  if (row === undefined) return restart(context, projection, info, row, null);
  const verdict = judgeContinuity(row, {
    name: info.config.name,
    created: info.created,
    firstSeq: info.state.first_seq,
    lastSeq: info.state.last_seq,
    timeAtCheckpoint: await timeOf(jsm, info, row.seq),
  });
  if (!verdict.goOn) return restart(context, projection, info, row, verdict.notice);
  return { stream: row.stream, streamCreated: row.stream_created, seq: row.seq, time: row.time };
}

/** Resets, unless another worker has moved the checkpoint since it was judged. */
function restart(
  { db, checkpoints, say }: PositionContext,
  projection: AnyProjection,
  info: StreamInfo,
  judged: CheckpointRow | undefined,
  notice: string | null,
): Position {
  const key = keyOf(projection, "main");
  return db
    .transaction(() => {
      const now = checkpoints.read(key);
      if (
        now !== undefined &&
        (now.seq !== judged?.seq || now.stream_created !== judged.stream_created)
      ) {
        return {
          stream: now.stream,
          streamCreated: now.stream_created,
          seq: now.seq,
          time: now.time,
        };
      }
      if (notice !== null) say(projection.name, notice);
      const start = beforeFirst(info);
      resetFold(db, checkpoints, projection, "main", start, notice);
      return start;
    })
    .immediate();
}
