/** Reads the streams at the wanted pace, obeys the keys, and jumps. */
import { parseMoment } from "../lib/core/moment.ts";
import { messageOf } from "../lib/core/errors.ts";
import { mergedReader } from "../lib/operator/merged-reader.ts";
import type { MergedReaderOptions } from "../lib/operator/merged-reader.ts";
import type { ReplayPace } from "../lib/operator/replay-pace.ts";
import { parseRangeEnd, resolveRange } from "../lib/operator/replay-range.ts";
import type { RangeEnd } from "../lib/operator/replay-range.ts";
import type { KeyAction, ReplayKeys } from "./replay-keys.ts";
import type { ReplaySink } from "./replay-sink.ts";

export interface ReplayOptions {
  readonly reading: MergedReaderOptions;
  readonly sink: ReplaySink;
  readonly pace: ReplayPace;
  readonly keys: ReplayKeys | undefined;
  /** What the installation showed as now when the replay began, epoch ms. */
  readonly nowMs: number;
  /** Ends when nothing is left to read, though the reader would go on. */
  readonly endsCaughtUp: boolean;
  readonly signal: AbortSignal;
}

/** The line below is written anew so often at most. */
const STATUS_EVERY_MS = 200;
const KEYS_TEXT = "space pause  n next  +/- speed  j jump  q quit";

/** Replays until the range, or somebody, ends it. */
export async function replay(options: ReplayOptions): Promise<void> {
  await new ReplaySession(options).run();
}

class ReplaySession {
  readonly #options: ReplayOptions;
  /** Ends the reader that is at work: for a jump, at the end, or when somebody quits. */
  #round = new AbortController();
  #jump: RangeEnd | undefined;
  #isOver = false;
  #count = 0;
  #notice = "";
  #nextStatusAt = 0;
  #wake: () => void = () => undefined;
  /** The message that is not due yet. */
  #nextMoment: number | undefined;

  constructor(options: ReplayOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#end());
    if (options.signal.aborted) this.#end();
    if (options.keys !== undefined) options.keys.onAction = (action) => this.#obey(action);
  }

  async run(): Promise<void> {
    const { sink } = this.#options;
    const timer = setInterval(() => this.#showStatus(), STATUS_EVERY_MS);
    try {
      let { reading } = this.#options;
      while (!this.#isOver) {
        await this.#read(reading);
        const jump = this.#jump;
        if (jump === undefined) break;
        this.#jump = undefined;
        reading = await this.#jumped(reading, jump);
      }
    } finally {
      clearInterval(timer);
    }
    await sink.finish(this.#count);
  }

  async #read(reading: MergedReaderOptions): Promise<void> {
    const { sink, pace, endsCaughtUp } = this.#options;
    this.#round = new AbortController();
    if (this.#isOver) return;
    const messages = mergedReader({
      ...reading,
      signal: this.#round.signal,
      onCaughtUp: () => {
        if (endsCaughtUp) this.#round.abort();
      },
    });
    for await (const message of messages) {
      if (!(await this.#isDue(message.time))) return;
      await sink.take(message);
      this.#count += 1;
      pace.pass(message.time, performance.now());
      if (performance.now() > this.#nextStatusAt) this.#showStatus();
    }
  }

  /** Waits for a message's time; false where it is not wanted any more. */
  async #isDue(moment: number): Promise<boolean> {
    const { pace } = this.#options;
    this.#nextMoment = moment;
    for (;;) {
      if (this.#isOver || this.#jump !== undefined) return false;
      const waitMs = pace.waitMs(moment, performance.now());
      if (waitMs <= 0) break;
      await this.#changeWithin(waitMs);
    }
    this.#nextMoment = undefined;
    return true;
  }

  async #changeWithin(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = Number.isFinite(waitMs) ? setTimeout(resolve, waitMs) : undefined;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  #obey(action: KeyAction): void {
    const { pace } = this.#options;
    const now = performance.now();
    this.#notice = "";
    switch (action.kind) {
      case "pause":
        if (pace.isPaused) pace.resume(now);
        else pace.pause(now);
        break;
      case "step":
        if (pace.isPaused) pace.step(now);
        else if (this.#nextMoment !== undefined) pace.skip(this.#nextMoment, now);
        break;
      case "faster":
        pace.faster(now);
        break;
      case "slower":
        pace.slower(now);
        break;
      case "jump":
        this.#startJump(action.text);
        break;
      case "quit":
        this.#end();
        break;
      case "change":
        break;
    }
    this.#showStatus();
    this.#wake();
  }

  #startJump(text: string): void {
    try {
      this.#jump = this.#jumpTarget(text);
      this.#round.abort();
    } catch (error) {
      this.#notice = messageOf(error);
    }
  }

  /** Spans count from where the replay is: `-5m` and `+5m`. */
  #jumpTarget(text: string): RangeEnd {
    const { pace, nowMs } = this.#options;
    const here = pace.momentAt(performance.now()) ?? nowMs;
    const span = /^[+-]\d/.test(text) ? parseMoment(`-${text.slice(1)}`, here) : undefined;
    if (span === undefined) return parseRangeEnd("jump", text, nowMs);
    return { kind: "time", ms: text.startsWith("+") ? 2 * here - span : span };
  }

  async #jumped(reading: MergedReaderOptions, to: RangeEnd): Promise<MergedReaderOptions> {
    const { pace } = this.#options;
    const here = pace.momentAt(performance.now()) ?? reading.from;
    pace.restart();
    // Who has paused sees at least where the jump has led.
    if (pace.isPaused) pace.step(performance.now());
    try {
      const { from, sequences } = await resolveRange(reading, to, undefined);
      return { ...reading, from, sequences };
    } catch (error) {
      this.#notice = messageOf(error);
      return { ...reading, from: here, sequences: undefined };
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#round.abort();
    this.#wake();
  }

  #showStatus(): void {
    const { keys, sink } = this.#options;
    if (keys === undefined || this.#isOver) return;
    this.#nextStatusAt = performance.now() + STATUS_EVERY_MS;
    const width = Math.max(20, (process.stdout.columns ?? 80) - 1);
    const text = keys.typed === undefined ? this.#statusText() : `jump to: ${keys.typed}_`;
    sink.status(text.slice(0, width));
  }

  #statusText(): string {
    if (this.#notice !== "") return this.#notice;
    const { pace } = this.#options;
    const moment = pace.momentAt(performance.now());
    const clock = moment === undefined ? "--:--:--" : new Date(moment).toISOString().slice(11, 19);
    const speed = pace.speed === Infinity ? "max" : `x${pace.speed}`;
    return `${pace.isPaused ? "PAUSED" : "replay"} ${speed}  ${clock} UTC  ${KEYS_TEXT}`;
  }
}
