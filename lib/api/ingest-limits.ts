/** How many heartbeats one client may post: a bucket of tokens for each address and key. */

/** Clients remembered; the one heard of longest ago is forgotten first. */
const MAX_CLIENTS = 10_000;

interface Bucket {
  tokens: number;
  /** When the tokens were counted, ms of a clock that never jumps. */
  at: number;
}

export interface IngestLimitOptions {
  readonly perSec: number;
  readonly burst: number;
  /** Milliseconds; `performance.now` unless given. */
  readonly clock?: () => number;
}

export class IngestLimits {
  private readonly options: IngestLimitOptions;
  private readonly clock: () => number;
  private readonly buckets = new Map<string, Bucket>();

  constructor(options: IngestLimitOptions) {
    this.options = options;
    this.clock = options.clock ?? (() => performance.now());
  }

  /**
   * Takes so many tokens. Answers 0, or after how many seconds it is worth trying again. More than
   * a full bucket can be had only from a full one, on credit.
   */
  take(client: string, tokens: number): number {
    const { perSec, burst } = this.options;
    const bucket = this.bucketOf(client);
    const missing = Math.min(tokens, burst) - bucket.tokens;
    if (missing > 0) return Math.max(1, Math.ceil(missing / perSec));
    bucket.tokens -= tokens;
    return 0;
  }

  private bucketOf(client: string): Bucket {
    const { perSec, burst } = this.options;
    const now = this.clock();
    const bucket = this.buckets.get(client) ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1_000) * perSec);
    bucket.at = now;
    // Last in, last out: who is heard of moves to the end.
    this.buckets.delete(client);
    this.buckets.set(client, bucket);
    const [oldest] = this.buckets.keys();
    if (this.buckets.size > MAX_CLIENTS && oldest !== undefined) this.buckets.delete(oldest);
    return bucket;
  }
}
