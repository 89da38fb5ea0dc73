/**
 * Reads on while its owner takes what comes. An owner that has enough answers false; the reader then
 * closes, so that nothing piles up here or in the connection, and opens again when told to.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "../core/errors.ts";
import { openReader } from "../nats/ordered-reader.ts";
import type { Reader, StreamMessage } from "../nats/ordered-reader.ts";

export interface PausingReaderOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  /** Where to read on, asked at every opening. */
  readonly fromSeq: () => number;
  /** False: enough for now, until `resume`. */
  readonly take: (message: StreamMessage) => boolean;
  /** Reading ended although nobody asked for it; it does not go on. */
  readonly onFailure: (why: string) => void;
}

/** One reader: it is not paused and resumed, but closed and replaced. */
interface Attempt {
  isPaused: boolean;
  reader?: Reader;
}

export class PausingReader {
  readonly #options: PausingReaderOptions;
  #isWanted = false;
  #isClosed = false;
  #attempt: Attempt | undefined;
  #run: Promise<void> | undefined;

  constructor(options: PausingReaderOptions) {
    this.#options = options;
  }

  get isPaused(): boolean {
    return !this.#isWanted;
  }

  resume(): void {
    this.#isWanted = true;
    if (this.#isClosed || this.#run !== undefined) return;
    this.#run = this.#readWhileWanted().finally(() => {
      this.#run = undefined;
    });
  }

  /** What has been delivered but not taken yet is dropped, and read again after `resume`. */
  pause(): void {
    this.#isWanted = false;
    if (this.#attempt === undefined) return;
    this.#attempt.isPaused = true;
    void this.#attempt.reader?.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.pause();
    await this.#run;
  }

  async #readWhileWanted(): Promise<void> {
    while (this.#isWanted && !this.#isClosed) {
      const why = await this.#readOnce().catch(messageOf);
      if (why !== undefined && !this.#isClosed) {
        this.#isClosed = true;
        this.#options.onFailure(why);
      }
    }
  }

  /** One reader's life. Returns why it ended, undefined where we paused it. */
  async #readOnce(): Promise<string | undefined> {
    const { nc, jsm, stream, fromSeq, take } = this.#options;
    const attempt: Attempt = { isPaused: false };
    this.#attempt = attempt;
    attempt.reader = await openReader({
      nc,
      jsm,
      stream,
      start: { fromSeq: fromSeq() },
      onMessage: (message) => {
        if (!attempt.isPaused && !take(message)) this.pause();
        return !attempt.isPaused;
      },
    });
    // Paused while it was opened, maybe by the first messages.
    if (attempt.isPaused) void attempt.reader.close();
    const why = await attempt.reader.ended;
    await attempt.reader.close();
    return attempt.isPaused ? undefined : `stream ${stream}: ${why}`;
  }
}
