/** Finds the newest message up to a moment by asking for few of them: each question costs a round trip. */

/** A message that was asked for. */
export interface Found {
  readonly seq: number;
  readonly time: number;
}

export interface TimeSearch {
  /** Epoch ms. */
  readonly timeMs: number;
  /** The first message that is left; not later than the moment. */
  readonly first: Found;
  readonly lastSeq: number;
  /** Sequences near which it may lie: they are looked at first, and wrong ones cost no more than that. */
  readonly near?: readonly number[];
  /** The first message from a sequence on; undefined where there is none. */
  readonly next: (seq: number) => Promise<Found | undefined>;
}

/**
 * Messages mostly come evenly enough for estimates to close in on the place from both sides within
 * a few questions. Where these have not made the span so much shorter, it is halved once.
 */
const ESTIMATES = 4;
const SHORTER = 16;

/** Times rise with the sequences. Holes in the sequences are passed over. */
export async function newestUpTo({
  timeMs,
  first,
  lastSeq,
  near = [],
  next,
}: TimeSearch): Promise<Found> {
  let newest = first;
  // From here on everything is later than the moment, or is not there.
  let end = lastSeq + 1;
  let endTime: number | undefined;
  const look = async (probe: number): Promise<void> => {
    const found = await next(probe);
    if (found !== undefined && found.seq < end && found.time <= timeMs) newest = found;
    else {
      if (found !== undefined && found.seq < end) endTime = found.time;
      end = probe;
    }
  };
  // Most ask for what is not long ago: the stream's own end is looked at too.
  for (const probe of [...near, lastSeq]) if (probe > newest.seq && probe < end) await look(probe);
  for (let [left, span] = [ESTIMATES, end - newest.seq]; newest.seq + 1 < end; left--) {
    if (endTime !== undefined && left > 0) await look(estimated(timeMs, newest, end, endTime));
    else {
      if (endTime === undefined || end - newest.seq > span / SHORTER)
        await look(aligned(newest.seq + 1, end));
      [left, span] = [ESTIMATES + 1, end - newest.seq];
    }
  }
  return newest;
}

/** Where it would lie if messages came evenly. */
function estimated(timeMs: number, newest: Found, end: number, endTime: number): number {
  const part = (timeMs - newest.time) / Math.max(1, endTime - newest.time);
  const probe = newest.seq + 1 + Math.floor(part * (end - newest.seq - 1));
  return Math.min(end - 1, Math.max(newest.seq + 1, probe));
}

/**
 * About the middle of a span, end not included, and the same for spans that are nearly the same:
 * whoever looks for another moment asks for the same messages first.
 */
function aligned(from: number, end: number): number {
  const middle = Math.floor((from + end) / 2);
  const step = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, end - from))) - 2);
  return Math.max(from, middle - (middle % step));
}
