/**
 * Spreads what is published over time. Runners that began together have their snapshots due
 * together, every minute again: ten thousand published at once would hold up whoever shares the
 * cores with the stream, the fold and the clients.
 */

/** So many a second go at once, whatever waits. */
const MIN_PER_MS = 2;
/** What waits has gone within about this time, however much it is. */
const SPREAD_MS = 2_000;
const TICK_MS = 10;
/** What goes at once after a while without any. */
const MAX_CREDIT = MIN_PER_MS * TICK_MS;
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
  #inFlight = 0;
  #credit = MAX_CREDIT;
  #creditAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #isEnding = false;

  constructor(options: PublishPaceOptions<Item>) {
    this.#options = options;
  }

  /** Items that were not sent yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Sends an item now or soon; each is sent once. */
  offer(item: Item): void {
    this.#waiting.add(item);
    this.#sendDue();
  }

  /** Sends an item at once where it waits: before all that came earlier. */
  hasten(item: Item): void {
    if (this.#waiting.delete(item)) this.#send(item);
  }

  /** Must be called once for each item that was sent, when its answer comes. */
  answered(): void {
    this.#inFlight -= 1;
    if (this.#waiting.size > 0 && this.#isHurried) this.#sendDue();
  }

  /** Sends what waits as fast as it is taken: nothing comes any more. */
  end(): void {
    this.#isEnding = true;
    this.#sendDue();
  }

  /** Sends nothing any more. */
  close(): void {
    this.#waiting.clear();
    clearTimeout(this.#timer);
  }

  get #isHurried(): boolean {
    return this.#isEnding || this.#options.isHurried();
  }

  #sendDue(): void {
    const earned = this.#earned();
    const room = MAX_IN_FLIGHT - this.#inFlight;
    const due = this.#isHurried ? room : Math.min(earned, room);
    let sent = 0;
    for (const item of this.#waiting) {
      if (sent + 1 > due) break;
      sent += 1;
      this.#waiting.delete(item);
      this.#send(item);
    }
    this.#credit = Math.max(0, earned - sent);
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(() => this.#tick(), TICK_MS);
  }

  /** How many have become due: the more wait, the faster it goes. */
  #earned(): number {
    const now = performance.now();
    const perMs = Math.max(MIN_PER_MS, this.#waiting.size / SPREAD_MS);
    const earned = this.#credit + (now - this.#creditAt) * perMs;
    this.#creditAt = now;
    // After a hold-up of this thread the rest is not sent in one go either.
    return Math.min(earned, 2 * TICK_MS * perMs);
  }

  #tick(): void {
    this.#timer = undefined;
    this.#sendDue();
  }

  #send(item: Item): void {
    this.#inFlight += 1;
    this.#options.send(item);
  }
}
