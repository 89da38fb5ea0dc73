/**
 * The cold start: while the main tables are folded from the beginning, the newest message of each
 * subject is folded into provisional twins of the status tables and followed from there, with the
 * same folds. Readers use the twins until the main tables have caught up.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import { streamName } from "../core/subject.ts";
import type { CheckpointStore } from "../store/checkpoint.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { decoderOf } from "./decode.ts";
import { Fold, resetFold } from "./fold.ts";
import { Follower } from "./follower.ts";
import { laneSwitch } from "./lane-switch.ts";
import type { LaneSwitch } from "./lane-switch.ts";
import { beforeFirst } from "./positions.ts";
import type { ProjectorOptions } from "./projector.ts";

/** Rows kept in memory once the newest messages are folded: enough for what comes in at a time. */
const MAX_CACHED_ROWS = 10_000;
/** The backlog waits no longer than this for the newest messages. */
const MAX_HEAD_START_MS = 15_000;

export interface FastLaneOptions extends ProjectorOptions {
  readonly jsm: JetStreamManager;
  readonly checkpoints: CheckpointStore;
}

export class FastLane {
  readonly #options: FastLaneOptions;
  readonly #switch: LaneSwitch;
  #followers: Follower[] = [];
  #waiting = new Set<FoldedStream>();
  #loaded: Promise<void> = Promise.resolve();
  #isLoading = false;
  #resolveLoaded: () => void = () => undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(options: FastLaneOptions) {
    this.#options = options;
    this.#switch = laneSwitch(options.db);
    this.#switch.clear();
  }

  get isRunning(): boolean {
    return this.#followers.length > 0;
  }

  /**
   * Resolves once readers are told from the newest messages, or it takes too long: to fold the
   * backlog on the same thread meanwhile would delay them.
   */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  get isLoading(): boolean {
    return this.#isLoading;
  }

  start(): void {
    if (this.isRunning) return;
    this.#isLoading = true;
    this.#loaded = new Promise((resolve) => {
      this.#resolveLoaded = resolve;
    });
    setTimeout(() => this.#endHeadStart(), MAX_HEAD_START_MS).unref();
    const projections = this.#options.projections.filter((projection) => projection.tellsStatus);
    this.#options.log.info("a long backlog: statuses are told from the newest messages meanwhile");
    this.#switch.clear();
    this.#waiting = new Set(projections.map((projection) => projection.stream as FoldedStream));
    this.#followers = [...this.#waiting].map((stream) =>
      this.#follower(
        stream,
        projections.filter((projection) => projection.stream === stream),
      ),
    );
  }

  /** The main tables have caught up: readers go back to them, and the twins are emptied. */
  retire(): void {
    if (!this.isRunning) return;
    const followers = this.#followers;
    this.#followers = [];
    this.#endHeadStart();
    this.#closing = Promise.all(followers.map((follower) => follower.close())).then(() => {
      this.#options.log.info("the backlog is folded: the read models are complete");
    });
    this.#switch.clear();
  }

  async close(): Promise<void> {
    this.#endHeadStart();
    await Promise.all(this.#followers.map((follower) => follower.close()));
    await this.#closing;
  }

  #endHeadStart(): void {
    this.#isLoading = false;
    this.#resolveLoaded();
  }

  #follower(stream: FoldedStream, projections: readonly AnyProjection[]): Follower {
    const { nc, jsm, db, checkpoints, prefixes, log } = this.#options;
    return new Follower({
      nc,
      jsm,
      db,
      checkpoints,
      stream,
      streamName: streamName(prefixes, stream),
      decode: decoderOf(stream, prefixes),
      log,
      givesWay: true,
      openFolds: () => this.#openFolds(stream, projections),
      onEnd: () => this.#ready(stream),
    });
  }

  /** Starts over at every connection: reading the newest messages again costs little. */
  async #openFolds(stream: FoldedStream, projections: readonly AnyProjection[]) {
    const { jsm, db, checkpoints, prefixes } = this.#options;
    const info = await jsm.streams.info(streamName(prefixes, stream));
    const start = { ...beforeFirst(info), seq: 0 };
    const folds = db
      .transaction(() =>
        projections.map((projection) => {
          resetFold(db, checkpoints, projection, "fast", start, null);
          return new Fold(db, projection, "fast", start);
        }),
      )
      .immediate();
    return { folds, start: { lastPerSubject: true } as const, allowsHoles: true };
  }

  #ready(stream: FoldedStream): void {
    if (!this.isRunning) return;
    this.#waiting.delete(stream);
    if (this.#waiting.size > 0) return;
    this.#switch.activate();
    for (const { folds } of this.#followers) {
      for (const fold of folds) fold.keepAtMost(MAX_CACHED_ROWS);
    }
    this.#endHeadStart();
  }
}
