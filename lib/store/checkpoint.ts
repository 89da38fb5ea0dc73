import type { SqliteDatabase } from "./open.ts";
import type { CheckpointRow, Lane } from "./tables.ts";

/** Which rows a checkpoint stands for. */
export interface CheckpointKey {
  readonly projection: string;
  readonly version: number;
  readonly partition: number;
  readonly lane: Lane;
}

/** How far a projection has folded which stream. */
export interface Position {
  readonly stream: string;
  /** The stream's creation time as the server writes it. */
  readonly streamCreated: string;
  readonly seq: number;
  /** Stream time of that message, epoch ms; 0 before the first. */
  readonly time: number;
}

/** Checkpoints as the projector reads and moves them, always inside its transactions. */
export interface CheckpointStore {
  read(key: CheckpointKey): CheckpointRow | undefined;
  /** Sets a checkpoint whatever it was: the start of a fold. Drops those of other versions. */
  reset(key: CheckpointKey, position: Position, notice: string | null): void;
  /**
   * Moves a checkpoint from where this worker left it. False when it is not there any more:
   * another worker has folded; nothing of this transaction may then be committed.
   */
  advance(key: CheckpointKey, from: Position, to: Position): boolean;
  stop(key: CheckpointKey, error: string, seq: number): void;
  resume(key: CheckpointKey): void;
}

const WHERE =
  "projection = @projection and version = @version and partition = @partition and lane = @lane";

export function checkpointStore(db: SqliteDatabase): CheckpointStore {
  const read = db.prepare(`select * from checkpoint where ${WHERE}`);
  const remove = db.prepare(
    "delete from checkpoint where projection = @projection and partition = @partition and lane = @lane",
  );
  const insert = db.prepare(`insert into checkpoint
    (projection, version, partition, lane, stream, stream_created, seq, time, state, notice, notice_at, updated_at)
    values (@projection, @version, @partition, @lane, @stream, @streamCreated, @seq, @time, 'running',
      @notice, @noticeAt, @now)`);
  const advance = db.prepare(`update checkpoint set seq = @toSeq, time = @toTime, updated_at = @now
    where ${WHERE} and stream_created = @streamCreated and seq = @fromSeq and state = 'running'`);
  const stop = db.prepare(`update checkpoint set state = 'stopped', error = @error,
    error_seq = @seq, updated_at = @now where ${WHERE}`);
  const resume = db.prepare(`update checkpoint set state = 'running', error = null,
    error_seq = null, updated_at = @now where ${WHERE}`);
  return {
    read: (key) => read.get(key) as CheckpointRow | undefined,
    reset: (key, position, notice) => {
      const now = Date.now();
      remove.run(key);
      insert.run({ ...key, ...position, notice, noticeAt: notice === null ? null : now, now });
    },
    advance: (key, from, to) =>
      advance.run({
        ...key,
        streamCreated: from.streamCreated,
        fromSeq: from.seq,
        toSeq: to.seq,
        toTime: to.time,
        now: Date.now(),
      }).changes === 1,
    stop: (key, error, seq) => void stop.run({ ...key, error, seq, now: Date.now() }),
    resume: (key) => void resume.run({ ...key, now: Date.now() }),
  };
}
