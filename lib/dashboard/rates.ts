/** How quickly counters grow, from where they were a few seconds ago. */

/** A rate is taken over this long. */
const RATE_MS = 10_000;

export interface Sample {
  /** Epoch ms. */
  readonly at: number;
  readonly counts: ReadonlyMap<string, number>;
}

/**
 * A second's growth of each counter, and the samples to be given the next time. Of a counter that
 * began anew it is 0; before there is anything to compare, none is known.
 * @param time of the counts, RFC 3339; undefined where there are none yet.
 */
export function ratesOf(
  samples: readonly Sample[],
  time: string | undefined,
  counts: ReadonlyMap<string, number>,
): [rates: ReadonlyMap<string, number>, samples: readonly Sample[]] {
  if (time === undefined) return [new Map(), samples];
  const at = Date.parse(time);
  const before = samples.filter((sample) => at - sample.at <= RATE_MS && sample.at < at);
  const kept = [...before, { at, counts }];
  const [first] = before;
  if (first === undefined) return [new Map(), kept];
  const spanSec = (at - first.at) / 1_000;
  const rates = new Map(
    [...counts].map(([name, count]) => {
      const grown = count - (first.counts.get(name) ?? count);
      return [name, Math.max(0, grown / spanSec)];
    }),
  );
  return [rates, kept];
}
