/**
 * Reads a runner's newest heartbeats straight from the stream. A stream is read forwards only, so
 * a start is guessed from how often the runner's messages come, and moved back while it finds too
 * few. Direct gets leave nothing behind on the server.
 */
import type { JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import { AppError } from "../core/errors.ts";
import { clockOf } from "../core/imported-stream.ts";
import type { MessageClock } from "../core/imported-stream.ts";
import type { HeartbeatQuery, StoredHeartbeat } from "./stream-access.ts";

/** How much further back the guess goes than an even beat would need. */
const MARGIN = 1.25;
/** Each next guess reaches so many times further back. */
const STEP = 4;
/** The server sends at most so many for one question. */
const BATCH = 1_000;
const TIMEOUT_MS = 5_000;

interface Query extends HeartbeatQuery {
  readonly stream: string;
  readonly subject: string;
}

interface Reading extends Query {
  readonly clock: MessageClock;
}

export async function newestHeartbeats(
  jsm: JetStreamManager,
  query: Query,
): Promise<{ items: StoredHeartbeat[]; hasMore: boolean }> {
  const { stream, subject, limit, before = Infinity } = query;
  const { state, config } = await jsm.streams.info(stream, { subjects_filter: subject });
  const clock = clockOf(config);
  const count = state.subjects?.[subject] ?? 0;
  const end = Math.min(state.last_seq, before - 1);
  if (count === 0 || end < state.first_seq) return { items: [], hasMore: false };
  // One more than wanted tells whether there are more.
  const wanted = limit + 1;
  const spacing = (state.last_seq - state.first_seq + 1) / count;
  let reach = Math.ceil(wanted * spacing * MARGIN);
  for (;;) {
    const start = Math.max(state.first_seq, end - reach + 1);
    const found = await readSpan(jsm, { ...query, clock }, start, end, wanted);
    if (found.length >= wanted || start === state.first_seq) {
      const newest = found.toReversed();
      return { items: newest.slice(0, limit), hasMore: newest.length > limit };
    }
    reach *= STEP;
  }
}

/** The last `wanted` messages of the subject from one sequence up to another. */
async function readSpan(
  jsm: JetStreamManager,
  query: Reading,
  start: number,
  end: number,
  wanted: number,
): Promise<StoredHeartbeat[]> {
  let kept: StoredHeartbeat[] = [];
  for (let next = start; next <= end;) {
    const batch = await readBatch(jsm, query, next);
    const within = batch.filter(({ seq }) => seq <= end);
    kept = [...kept, ...within].slice(-wanted);
    const last = batch.at(-1);
    if (last === undefined || batch.length < BATCH || within.length < batch.length) return kept;
    next = last.seq + 1;
  }
  return kept;
}

/** With a callback, because the iterator form leaves its subscription behind. */
async function readBatch(
  jsm: JetStreamManager,
  { stream, subject, clock }: Reading,
  seq: number,
): Promise<StoredHeartbeat[]> {
  const found: StoredHeartbeat[] = [];
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    const callback = (done: { err?: Error } | null, message: StoredMsg): void => {
      if (done === null) {
        found.push({
          seq: message.seq,
          timeMs: clock(message.time.getTime(), message.header),
          data: message.data.slice(),
        });
      } else if (done.err === undefined) resolve();
      else reject(done.err);
    };
    const query = { seq, batch: BATCH, next_by_subj: subject, callback };
    jsm.direct.getBatch(stream, query).then((iterator) => {
      const late = new AppError("unavailable", `${stream} did not answer in ${TIMEOUT_MS} ms`);
      // Stopping it ends its subscription and calls back with the error.
      timer = setTimeout(() => iterator.stop(late), TIMEOUT_MS);
    }, reject);
  }).finally(() => clearTimeout(timer));
  return found;
}
