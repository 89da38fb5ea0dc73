/** Follows a stream while its owner has room, and can be held up and let go again. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { messageOf } from "../core/errors.ts";
import type { StreamMessage } from "../nats/ordered-reader.ts";
import { openPullReader } from "../nats/pull-reader.ts";
import type { PullReader } from "../nats/pull-reader.ts";

export interface PausingReaderOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  /** Where to read on, asked at every opening. */
  readonly fromSeq: () => number;
  /** How many messages there is room for. */
  readonly room: () => number;
  /** False: no more, until `resume`. */
  readonly take: (message: StreamMessage) => boolean;
  /** Reading ended although nobody asked for it; it does not go on. */
  readonly onFailure: (why: string) => void;
}

/** One reader: it is not paused and resumed, but closed and replaced. */
interface Attempt {
  isPaused: boolean;
  reader?: PullReader;
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

  /** Reads on, or reads more where there is room again. */
  resume(): void {
    if (this.#isWanted) return this.#attempt?.reader?.topUp();
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
    const { nc, jsm, stream, fromSeq, room, take } = this.#options;
    const attempt: Attempt = { isPaused: false };
    this.#attempt = attempt;
    attempt.reader = await openPullReader({
      nc,
      jsm,
      stream,
      start: { fromSeq: fromSeq() },
      room: () => (attempt.isPaused ? 0 : room()),
      onMessage: (message) => {
        if (!attempt.isPaused && !take(message)) this.pause();
      },
    });
    // Paused while it was opened, maybe by the first messages.
    if (attempt.isPaused) void attempt.reader.close();
    const why = await attempt.reader.ended;
    await attempt.reader.close();
    return attempt.isPaused ? undefined : `stream ${stream}: ${why}`;
  }
}
