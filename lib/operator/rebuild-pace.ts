/** How a rebuild writes beside a projector that must not be held up. */
import type { CommitPace } from "../projector/follower.ts";
import type { SqliteDatabase } from "../store/open.ts";
import { readStanding } from "../store/standing.ts";

/** A projector that has to commit waits for no longer than this. */
const POLITE_COMMIT_MS = 20;
/** With nobody else writing. */
const LONE_COMMIT_MS = 1_000;
/** Fewer would make a rebuild slower than what comes in, on a machine that is busy. */
const MIN_ROWS = 4_000;
const MAX_ROWS = 150_000;
/** A projector that was heard of within this time lives. */
const ALIVE_MS = 10_000;
const LOOK_EVERY_MS = 1_000;
/** Most that is waited after a commit, so that others find the database free. */
const MAX_PAUSE_MS = 50;

/** Commits as much at a time as takes 20 ms, and leaves as long a pause, while a projector lives. */
export function rebuildPace(db: SqliteDatabase): CommitPace {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  let rows = MIN_ROWS;
  let [lookedAt, isAlive] = [-Infinity, true];
  const projectorLives = (): boolean => {
    const now = performance.now();
    if (now - lookedAt < LOOK_EVERY_MS) return isAlive;
    lookedAt = now;
    isAlive = Date.now() - (readStanding(db, "projector")?.at ?? 0) < ALIVE_MS;
    return isAlive;
  };
  return {
    maxRows: () => rows,
    committed: (tookMs, count) => {
      const isPolite = projectorLives();
      const targetMs = isPolite ? POLITE_COMMIT_MS : LONE_COMMIT_MS;
      const perRowMs = tookMs / Math.max(count, MIN_ROWS);
      rows = Math.min(MAX_ROWS, Math.max(MIN_ROWS, Math.floor(targetMs / perRowMs)));
      // Not a timer: messages would be folded and committed meanwhile.
      if (isPolite) Atomics.wait(sleeper, 0, 0, Math.min(MAX_PAUSE_MS, tookMs));
    },
  };
}
