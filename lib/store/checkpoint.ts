import type { SqliteDatabase } from "./open.ts";
import type { Lane } from "./lanes.ts";
import type { CheckpointRow } from "./tables.ts";

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
  /** A projection's checkpoint in a lane, by whatever version of its fold. */
  readAny(projection: string, lane: Lane): CheckpointRow | undefined;
  /** Sets a checkpoint whatever it was: the start of a fold. Drops those of other versions. */
  reset(key: CheckpointKey, position: Position, notice: string | null): void;
  /**
   * Moves a checkpoint from where this worker left it. False when it is not there any more:
   * another worker has folded, or the table was exchanged for one of another generation; nothing of
   * this transaction may then be committed.
   */
  advance(key: CheckpointKey, from: Position, to: Position, generation: number): boolean;
  say(key: CheckpointKey, notice: string | null): void;
  stop(key: CheckpointKey, error: string, seq: number): void;
  resume(key: CheckpointKey): void;
}

const WHERE =
  "projection = @projection and version = @version and partition = @partition and lane = @lane";

export function checkpointStore(db: SqliteDatabase): CheckpointStore {
  const read = db.prepare(`select * from checkpoint where ${WHERE}`);
  const readAny = db.prepare(
    "select * from checkpoint where projection = ? and partition = 0 and lane = ? order by version desc",
  );
  const remove = db.prepare(
    "delete from checkpoint where projection = @projection and partition = @partition and lane = @lane",
  );
  const insert = db.prepare(`insert into checkpoint
    (projection, version, partition, lane, stream, stream_created, seq, time, state, notice, notice_at, updated_at, generation)
    values (@projection, @version, @partition, @lane, @stream, @streamCreated, @seq, @time, 'running',
      @notice, @noticeAt, @now, @generation)`);
  // By place, and without an object: it runs with every commit of every projection.
  const advance = db.prepare(`update checkpoint set seq = ?, time = ?, updated_at = ?
    where projection = ? and version = ? and partition = ? and lane = ? and stream_created = ?
      and seq = ? and generation = ? and state = 'running'`);
  const say = db.prepare(`update checkpoint set notice = @notice, notice_at = @now where ${WHERE}`);
  const stop = db.prepare(`update checkpoint set state = 'stopped', error = @error,
    error_seq = @seq, updated_at = @now where ${WHERE}`);
  const resume = db.prepare(`update checkpoint set state = 'running', error = null,
    error_seq = null, updated_at = @now where ${WHERE}`);
  return {
    read: (key) => read.get(key) as CheckpointRow | undefined,
    readAny: (projection, lane) => readAny.get(projection, lane) as CheckpointRow | undefined,
    reset: (key, position, notice) => {
      const now = Date.now();
      const before = readAny.get(key.projection, key.lane) as CheckpointRow | undefined;
      const generation = before?.generation ?? 0;
      remove.run(key);
      const noticeAt = notice === null ? null : now;
      insert.run({ ...key, ...position, notice, noticeAt, now, generation });
    },
    advance: ({ projection, version, partition, lane }, from, to, generation) => {
      const key = [projection, version, partition, lane] as const;
      const moved = advance.run(
        to.seq,
        to.time,
        Date.now(),
        ...key,
        from.streamCreated,
        from.seq,
        generation,
      );
      return moved.changes === 1;
    },
    say: (key, notice) => void say.run({ ...key, notice, now: Date.now() }),
    stop: (key, error, seq) => void stop.run({ ...key, error, seq, now: Date.now() }),
    resume: (key) => void resume.run({ ...key, now: Date.now() }),
  };
}
