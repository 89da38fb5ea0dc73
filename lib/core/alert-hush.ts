/** Who fell silent together. */

interface Silent {
  readonly lastHeartbeatAt: number | null;
  readonly intervalSec: number;
}

/** A heartbeat may be late by that part of its interval. */
const LATENESS = 1.5;

/**
 * The most that can have fallen silent at one moment: a silence began between the last heartbeat
 * and the one that did not come. One pass over the sorted spans: 10,000 runners may fall silent.
 */
export function fellSilentTogether<S extends Silent>(silent: readonly S[]): readonly S[] {
  const spans = silent.map((one) => {
    const from = one.lastHeartbeatAt ?? 0;
    return { one, from, to: from + one.intervalSec * LATENESS * 1_000 };
  });
  const ends = spans.map(({ to }) => to).toSorted((a, b) => a - b);
  let ended = 0;
  let most = 0;
  let moment = 0;
  for (const [begun, { from }] of spans.toSorted((a, b) => a.from - b.from).entries()) {
    while ((ends[ended] ?? Infinity) < from) ended += 1;
    const open = begun + 1 - ended;
    if (open <= most) continue;
    most = open;
    moment = from;
  }
  return spans.filter(({ from, to }) => from <= moment && moment <= to).map(({ one }) => one);
}
