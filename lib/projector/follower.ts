/**
 * Follows one stream in one lane: opens a reader where the projections stand, folds what arrives
 * and commits rows and checkpoints together. Whatever goes wrong, it forgets what it has in
 * memory, reads its positions from the database again and goes on: only a commit counts.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import { openReader } from "../nats/ordered-reader.ts";
import type { Reader, ReaderStart, StreamMessage } from "../nats/ordered-reader.ts";
import type { CheckpointStore } from "../store/checkpoint.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { FoldedStream } from "../../projections/projection.ts";
import type { Decoder } from "./decode.ts";
import type { Fold } from "./fold.ts";

/** Messages folded in memory before they are committed while there is a backlog. */
const MAX_BATCH_MESSAGES = 250_000;
/** Changed rows after which a batch is committed even so: bounds one transaction. */
const MAX_BATCH_ROWS = 150_000;
/** How often the size of a batch is looked at while there is a backlog. */
const CHECK_EVERY_MESSAGES = 1_024;
/** With more than this waiting at the server, batches are filled before they are committed. */
const BACKLOG_MESSAGES = 2_000;
/** A batch that does not fill is committed after this time. */
const MAX_BATCH_MS = 3_000;
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 5_000;
/** Another worker that was found to fold the same has stopped when it commits nothing for so long. */
const STAND_BY_MS = 5_000;

/** Another worker has folded: the rows in memory are not the newest. */
class Overtaken extends Error {}

export interface OpenedFolds {
  readonly folds: Fold[];
  readonly start: ReaderStart;
  /** Sequences need not be contiguous: not all of the stream is read, or not all was imported. */
  readonly allowsHoles?: boolean;
}

/** The table was exchanged, by a rebuild: its new rows are gone on with at once. */
class Replaced extends Error {}

/** How much is committed at a time, and what comes after each commit. */
export interface CommitPace {
  /** Changed rows after which a batch is committed. */
  maxRows(): number;
  /** Called with what a commit took. */
  committed(tookMs: number, rows: number): void;
}

export interface FollowerOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly db: SqliteDatabase;
  readonly checkpoints: CheckpointStore;
  readonly stream: FoldedStream;
  readonly streamName: string;
  readonly decode: Decoder<FoldedStream>;
  readonly log: Logger;
  /**
   * Makes the folds from what the database and the stream say now; the place where continuity is
   * checked. Called before every reader.
   */
  readonly openFolds: () => Promise<OpenedFolds>;
  /** Called after the commit with which the end of the stream was reached. */
  readonly onEnd?: () => void;
  /** Called with the name of a projection whose fold threw. */
  readonly onStop?: (projection: string) => void;
  /** Instead of standing by: give up when another worker folds the same. */
  readonly givesWay?: boolean;
  /** As fast as it goes unless given. */
  readonly pace?: CommitPace;
}

export type FollowerState = "starting" | "folding" | "waiting" | "standing by" | "closed";

export class Follower {
  state: FollowerState = "starting";
  /** Why it is not folding, for people. */
  trouble: string | undefined;
  readonly #options: FollowerOptions;
  #folds: Fold[] = [];
  #reader: Reader | undefined;
  #isClosing = false;
  #isScheduled = false;
  #isBroken = false;
  /** What is asked without a connection is answered by nothing but a time-out. */
  #isCut = false;
  #isAtEnd = false;
  #batchMessages = 0;
  #pending = 0;
  #lastSeq = 0;
  #mayJump = true;
  #allowsHoles = false;
  #failures = 0;
  #isHeld = false;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;
  readonly #done: Promise<void>;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  get streamName(): string {
    return this.#options.streamName;
  }

  get folds(): readonly Fold[] {
    return this.#folds;
  }

  /** Commits what is folded and ends. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#wake();
    await this.#reader?.close();
    await this.#done;
  }

  /** Commits nothing until `release`: what arrives is folded in memory. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Commits again. */
  release(): void {
    this.#isHeld = false;
    if (this.state === "folding") this.#commit();
    this.#wake();
  }

  /** Whether all up to this message is folded in memory, and can be committed. */
  hasFolded(seq: number): boolean {
    if (this.state !== "folding" || this.#isBroken) return false;
    return this.#folds.every((fold) => fold.stopped === undefined && fold.position.seq >= seq);
  }

  /**
   * While held: writes what is folded as part of the caller's transaction, for good: after its
   * commit nothing more may be folded, after a rollback all goes on.
   * @throws where another worker has folded the same.
   */
  writeHeld(): void {
    this.#writeFolds();
  }

  /** The connection is lost, and the consumer with it: waits for `resume`, not for silence. */
  interrupt(): void {
    this.#isCut = true;
    void this.#reader?.close("the connection to NATS was lost");
  }

  /** The connection is back. */
  resume(): void {
    this.#isCut = false;
    this.#wake();
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      const reason = await this.#follow().catch((error: unknown) => this.#failed(error));
      if (this.#isClosing) break;
      if (reason === undefined) return this.#closed();
      await this.#pause(reason);
    }
    this.#closed();
  }

  #closed(): void {
    clearTimeout(this.#timer);
    this.state = "closed";
  }

  /** One reader's life. Returns why it ended; undefined: this follower gives way for good. */
  async #follow(): Promise<{ why: string; waitMs: number } | undefined> {
    const { nc, jsm, streamName, openFolds } = this.#options;
    const opened = await openFolds();
    this.#begin(opened);
    const { start } = opened;
    const reader = await openReader({
      nc,
      jsm,
      stream: streamName,
      start,
      onMessage: (message) => this.#take(message),
      onEnd: () => this.#reachEnd(),
    });
    this.#reader = reader;
    if (this.#isClosing || this.#isBroken) await reader.close();
    this.state = "folding";
    this.trouble = undefined;
    const why = await reader.ended;
    void reader.close();
    if (!this.#isBroken) this.#commit();
    if (this.#commitError) throw this.#commitError;
    return { why, waitMs: Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures) };
  }

  #commitError: Error | undefined;

  #begin({ folds, start, allowsHoles = false }: OpenedFolds): void {
    for (const fold of this.#folds) fold.forget();
    this.#folds = folds;
    this.#isBroken = false;
    this.#commitError = undefined;
    this.#isAtEnd = false;
    this.#batchMessages = 0;
    this.#lastSeq = "fromSeq" in start ? start.fromSeq - 1 : 0;
    this.#mayJump = true;
    this.#allowsHoles = allowsHoles;
  }

  #failed(error: unknown): { why: string; waitMs: number } | undefined {
    void this.#reader?.close();
    if (error instanceof Replaced) {
      this.state = "waiting";
      return { why: error.message, waitMs: 0 };
    }
    if (error instanceof Overtaken) {
      if (this.#options.givesWay) return undefined;
      this.state = "standing by";
      return { why: error.message, waitMs: STAND_BY_MS };
    }
    this.state = "waiting";
    return {
      why: messageOf(error),
      waitMs: Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures),
    };
  }

  /** Lets another worker go on for as long as it does: two that take turns undo each other's work. */
  async #standBy(): Promise<void> {
    const { checkpoints } = this.#options;
    const place = () =>
      this.#folds.map(({ checkpoint }) => checkpoints.read(checkpoint)?.seq ?? 0).join();
    for (let before = "", now = place(); before !== now && !this.#isClosing; now = place()) {
      before = now;
      await this.#rest(STAND_BY_MS);
    }
  }

  async #pause(reason: { why: string; waitMs: number }): Promise<void> {
    this.#failures = Math.min(this.#failures + 1, 10);
    this.trouble = reason.why;
    const { log, streamName } = this.#options;
    log.warn(
      { stream: streamName, why: reason.why },
      `reading ${streamName} was interrupted: ${reason.why}`,
    );
    if (this.state === "standing by") await this.#standBy();
    else await this.#rest(reason.waitMs);
  }

  async #rest(ms: number): Promise<void> {
    // A new reader's folds begin with what was committed: not while somebody holds that up.
    do {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (!this.#isCut) setTimeout(resolve, ms);
      });
    } while (this.#isHeld && !this.#isClosing);
  }

  /** False ends this reader; what was folded stays, and the next one starts with a check. */
  #take(message: StreamMessage): boolean {
    if (this.#isBroken) return false;
    if (message.seq !== this.#lastSeq + 1 && !this.#mayJump) {
      const gone = `messages ${this.#lastSeq + 1} to ${message.seq - 1} are gone`;
      this.#options.log.warn({ stream: this.#options.streamName }, gone);
      return false;
    }
    this.#lastSeq = message.seq;
    this.#pending = message.pending;
    // What is missing before the first message was judged when its reader was opened.
    this.#mayJump = this.#allowsHoles;
    const decoded = this.#options.decode(message);
    for (const fold of this.#folds) fold.take(decoded, message.seq, message.timeMs);
    this.#batchMessages += 1;
    this.#schedule();
    return true;
  }

  #reachEnd(): void {
    this.#pending = 0;
    this.#failures = 0;
    if (this.#isAtEnd) return;
    this.#isAtEnd = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#pending > BACKLOG_MESSAGES) {
      if (this.#batchMessages % CHECK_EVERY_MESSAGES === 0) this.#considerCommit();
    } else if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.#commit();
      });
    }
  }

  #considerCommit(): void {
    this.#timer ??= setTimeout(() => this.#commit(), MAX_BATCH_MS);
    const isFull = this.#batchMessages >= MAX_BATCH_MESSAGES;
    const maxRows = this.#options.pace?.maxRows() ?? MAX_BATCH_ROWS;
    if (isFull || this.#changedRows() >= maxRows) this.#commit();
  }

  #changedRows(): number {
    let most = 0;
    for (const fold of this.#folds) most = Math.max(most, fold.changedRows);
    return most;
  }

  #commit(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isBroken || this.#isHeld) return;
    try {
      if (this.#batchMessages > 0) this.#write();
    } catch (error) {
      this.#isBroken = true;
      this.#commitError = error instanceof Error ? error : new Error(messageOf(error));
      void this.#reader?.close();
      return;
    }
    this.#batchMessages = 0;
    if (this.#isAtEnd && this.#pending === 0) {
      this.#isAtEnd = false;
      this.#options.onEnd?.();
    }
  }

  #write(): void {
    const { db, pace } = this.#options;
    const rows = this.#changedRows();
    db.exec("begin immediate");
    const beganAt = performance.now();
    try {
      this.#writeFolds();
      db.exec("commit");
    } catch (error) {
      if (db.inTransaction) db.exec("rollback");
      throw error;
    }
    this.#settle();
    pace?.committed(performance.now() - beganAt, rows);
  }

  #writeFolds(): void {
    for (const fold of this.#folds) {
      if (!fold.write(this.#options.checkpoints)) throw this.#displaced(fold);
    }
  }

  #settle(): void {
    for (const fold of this.#folds) {
      this.#announceStop(fold);
      fold.settle();
    }
  }

  #displaced(fold: Fold): Error {
    const { name } = fold.projection;
    return fold.isReplaced(this.#options.checkpoints)
      ? new Replaced(`${name} was rebuilt: its new rows are gone on with`)
      : new Overtaken(`another worker folds ${name}`);
  }

  #announceStop(fold: Fold): void {
    if (fold.stopped === undefined) return;
    const { error, seq } = fold.stopped;
    this.#options.log.error(
      { projection: fold.projection.name, seq, error },
      `projection ${fold.projection.name} stopped: its fold failed on message ${seq} (${error}). ` +
        "Mend the fold and start the projector again; the other projections go on",
    );
    this.#options.onStop?.(fold.projection.name);
    this.#folds = this.#folds.filter((other) => other !== fold);
  }
}
