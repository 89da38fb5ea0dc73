/**
 * Spreads what is published over time. Runners that began together have their snapshots due
 * together, every minute again: ten thousand published at once would hold up whoever shares the
 * cores with the stream, the fold and the clients.
 */

/** So many a millisecond go whatever waits. */
const MIN_PER_MS = 2;
/** Where many wait, so long would the last of them wait if it went on as fast as now. */
const SPREAD_MS = 2_000;
const TICK_MS = 10;
/** What goes in one go: as much as becomes due in this time, also after none for long. */
const BURST_MS = 2 * TICK_MS;
/** Sent and not answered: a slow stream must answer each in time. */
const MAX_IN_FLIGHT = 4_000;

export interface PublishPaceOptions<Item> {
  readonly send: (item: Item) => void;
  /** Whether there is so much to do that each goes as soon as the stream takes it. */
  readonly isHurried: () => boolean;
}

export class PublishPace<Item> {
  readonly #options: PublishPaceOptions<Item>;
  /** In the order in which they came. */
  readonly #waiting = new Set<Item>();
  /** Those that wait for nothing but room. */
  readonly #hastened = new Set<Item>();
  #inFlight = 0;
  #credit = MIN_PER_MS * BURST_MS;
  #creditAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isEnding = false;

  constructor(options: PublishPaceOptions<Item>) {
    this.#options = options;
  }

  /** Items that were not sent yet. */
  get waiting(): number {
    return this.#hastened.size + this.#waiting.size;
  }

  /** Sends an item now or soon; each is sent once. */
  offer(item: Item): void {
    this.#waiting.add(item);
    this.#sendDue();
  }

  /** Sends an item that waits before all that are not hastened, as soon as there is room. */
  hasten(item: Item): void {
    if (!this.#waiting.delete(item)) return;
    this.#hastened.add(item);
    this.#sendDue();
  }

  /** Must be called once for each item that was sent, when its answer comes. */
  answered(): void {
    this.#inFlight -= 1;
    if (this.#hastened.size > 0 || (this.#waiting.size > 0 && this.#isHurried)) this.#sendDue();
  }

  /** Sends what waits as fast as it is taken: nothing comes any more. */
  end(): void {
    this.#isEnding = true;
    this.#sendDue();
  }

  /** Sends nothing any more. */
  close(): void {
    this.#waiting.clear();
    this.#hastened.clear();
    clearTimeout(this.#timer);
  }

  get #isHurried(): boolean {
    return this.#isEnding || this.#options.isHurried();
  }

  #sendDue(): void {
    this.#sendFrom(this.#hastened, Infinity);
    const earned = this.#earned();
    const sent = this.#sendFrom(this.#waiting, this.#isHurried ? Infinity : earned);
    this.#credit = Math.max(0, earned - sent);
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
  }

  /** Sends so many of those, as far as there is room. Returns how many. */
  #sendFrom(items: Set<Item>, due: number): number {
    let sent = 0;
    for (const item of items) {
      if (sent + 1 > due || this.#inFlight >= MAX_IN_FLIGHT) break;
      sent += 1;
      items.delete(item);
      this.#inFlight += 1;
      this.#options.send(item);
    }
    return sent;
  }

  /** How many have become due: the more wait, the faster it goes. */
  #earned(): number {
    const now = performance.now();
    const perMs = Math.max(MIN_PER_MS, this.#waiting.size / SPREAD_MS);
    const earned = this.#credit + (now - this.#creditAt) * perMs;
    this.#creditAt = now;
    // After a hold-up of this thread the rest is not sent in one go either.
    return Math.min(earned, BURST_MS * perMs);
  }

  #tick(): void {
    this.#timer = undefined;
    this.#sendDue();
  }
}
