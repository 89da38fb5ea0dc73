/** When each message of a replay is due. Pure: clocks are arguments, epoch or monotonic ms alike. */

/** What `faster` and `slower` step through; Infinity: as fast as it goes. */
const SPEEDS = [1, 2, 5, 10, 30, 60, 300, 1_000, Number.POSITIVE_INFINITY] as const;

export class ReplayPace {
  #speed: number;
  #isPaused = false;
  /** How many messages may pass although it is paused. */
  #steps = 0;
  /** A moment of the replay and the time of the clock at which it was. */
  #anchor: { readonly moment: number; readonly at: number } | undefined;

  /** @param speed 1: as it happened; Infinity: as fast as it goes. */
  constructor(speed: number) {
    this.#speed = speed;
  }

  get speed(): number {
    return this.#speed;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** How long a message of that moment must wait yet, ms; Infinity: until something changes. */
  waitMs(moment: number, now: number): number {
    if (this.#isPaused) return this.#steps > 0 ? 0 : Number.POSITIVE_INFINITY;
    if (this.#anchor === undefined || this.#speed === Number.POSITIVE_INFINITY) return 0;
    return Math.max(0, this.#anchor.at + (moment - this.#anchor.moment) / this.#speed - now);
  }

  /** A message was shown. */
  pass(moment: number, now: number): void {
    if (this.#isPaused) this.#steps = Math.max(0, this.#steps - 1);
    const isFree = this.#isPaused || this.#speed === Number.POSITIVE_INFINITY;
    if (this.#anchor === undefined || isFree) this.#anchor = { moment, at: now };
  }

  /** The moment that the replay has come to; undefined before its first message. */
  momentAt(now: number): number | undefined {
    if (this.#anchor === undefined) return undefined;
    const { moment, at } = this.#anchor;
    if (this.#isPaused || this.#speed === Number.POSITIVE_INFINITY) return moment;
    return moment + (now - at) * this.#speed;
  }

  pause(now: number): void {
    this.#hold(now);
    this.#isPaused = true;
    this.#steps = 0;
  }

  resume(now: number): void {
    this.#hold(now);
    this.#isPaused = false;
  }

  /** The next message at once, and then none until told. */
  step(now: number): void {
    if (!this.#isPaused) this.pause(now);
    this.#steps += 1;
  }

  /** The next message at once, however long nothing happened before it; then on from there. */
  skip(next: number, now: number): void {
    this.#anchor = { moment: next, at: now };
  }

  faster(now: number): void {
    this.#setSpeed(SPEEDS.find((speed) => speed > this.#speed) ?? this.#speed, now);
  }

  slower(now: number): void {
    this.#setSpeed(SPEEDS.findLast((speed) => speed < this.#speed) ?? this.#speed, now);
  }

  /** Forgets where it was: the next message is due at once. */
  restart(): void {
    this.#anchor = undefined;
  }

  #setSpeed(speed: number, now: number): void {
    this.#hold(now);
    this.#speed = speed;
  }

  #hold(now: number): void {
    const moment = this.momentAt(now);
    if (moment !== undefined) this.#anchor = { moment, at: now };
  }
}
