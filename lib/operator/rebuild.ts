/**
 * Folds projections anew beside the live tables, and exchanges the tables when the new ones have
 * caught up. The new tables have checkpoints of their own, in the lane `next`: a rebuild that was
 * interrupted goes on from there, and nobody is told anything from them before the exchange.
 */
import { hostname } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { AppError, messageOf } from "../core/errors.ts";
import { importOf } from "../core/imported-stream.ts";
import type { RebuildPhase } from "../core/standing.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { decoderOf } from "../projector/decode.ts";
import { Fold } from "../projector/fold.ts";
import { Follower } from "../projector/follower.ts";
import { checkedPosition, checkpointOf } from "../projector/positions.ts";
import { UndoLog } from "../projector/undo-log.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import type { CheckpointStore } from "../store/checkpoint.ts";
import type { SqliteDatabase } from "../store/open.ts";
import { writeStanding } from "../store/standing.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { compareLanes } from "./compare-lanes.ts";
import type { LaneReport } from "./compare-lanes.ts";
import {
  dropSome,
  prepareNext,
  prepareRollback,
  switchLanes,
  switchLanesHeld,
  withOldRows,
} from "./rebuild-lanes.ts";
import { holdRebuildLock } from "./rebuild-lock.ts";
import { rebuildPace } from "./rebuild-pace.ts";

const PROGRESS_EVERY_MS = 500;
const DROP_PAUSE_MS = 5;
/** For this long, the exchange waits for a moment at which the new rows have come as far by themselves. */
const LEAD_WAIT_MS = 1_000;
const LEAD_RETRY_MS = 5;
/** Then the live rows are held where they are, for a longer time at each try. */
const HOLD_MIN_MS = 250;
const HOLD_MAX_MS = 4_000;
const HOLD_RETRY_MS = 500;
/** Live rows that none can come as far as are of a stream that has lost messages. */
const MAX_LEAD_WAIT_MS = 60_000;

export interface RebuildProgress {
  /** Messages of all streams together. */
  readonly folded: number;
  readonly total: number;
  readonly perSec: number;
}

export interface RebuildOptions {
  /** For asking the server. */
  readonly nc: NatsConnection;
  /** For reading, `nc` unless given: on a connection that a backlog comes in on, answers wait. */
  readonly readingNc?: NatsConnection;
  /** Open for writing, tables up to date; of its own, not the projector's. */
  readonly db: SqliteDatabase;
  readonly databaseFile: string;
  readonly prefixes: Prefixes;
  /** Those to rebuild. */
  readonly projections: readonly AnyProjection[];
  readonly log: Logger;
  /** Stops before the exchange; what is folded stays, for a rebuild that goes on from there. */
  readonly isDryRun?: boolean;
  /** Goes back to the rows of before the last rebuild, folded on to the end of the streams. */
  readonly isRollback?: boolean;
  /** Ends it where it is; the next one goes on from there. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RebuildProgress) => void;
}

export interface RebuildReport {
  readonly outcome: "switched" | "ready" | "interrupted";
  /** Projections for which an earlier rebuild was gone on with. */
  readonly resumed: readonly string[];
  readonly tables: readonly LaneReport[];
  /** Messages of all streams together. */
  readonly folded: number;
  readonly total: number;
  readonly tookMs: number;
}

/**
 * @throws AppError `conflict` while another rebuild runs, `unavailable` without its streams,
 *   `not_found` where there is nothing to go back to, `internal` when a fold throws.
 */
export async function rebuild(options: RebuildOptions): Promise<RebuildReport> {
  const lock = holdRebuildLock(options.db, options.databaseFile);
  try {
    const run = new RebuildRun(options);
    return await run.run();
  } finally {
    lock.release();
  }
}

class RebuildRun {
  readonly #options: RebuildOptions;
  #jsm!: JetStreamManager;
  readonly #checkpoints: CheckpointStore;
  readonly #projections: readonly AnyProjection[];
  readonly #followers: Follower[] = [];
  readonly #resumed: string[] = [];
  readonly #behind = new Set<FoldedStream>();
  /** What each stream held at the last look, by its name. */
  readonly #infos = new Map<string, StreamInfo>();
  /** Sequence before the first message that this run folds, by projection. */
  readonly #from = new Map<string, number>();
  readonly #startedAt = Date.now();
  readonly #caughtUp: Promise<void>;
  #resolveCaughtUp: () => void = () => undefined;
  #rejectCaughtUp: (error: Error) => void = () => undefined;
  #failure: AppError | undefined;
  #isOver = false;

  constructor(options: RebuildOptions) {
    this.#options = options;
    this.#checkpoints = checkpointStore(options.db);
    this.#projections = options.projections;
    this.#caughtUp = new Promise((resolve, reject) => {
      this.#resolveCaughtUp = resolve;
      this.#rejectCaughtUp = reject;
    });
    this.#caughtUp.catch(() => {});
  }

  async run(): Promise<RebuildReport> {
    // First of all, so that a second one can say who runs.
    this.#note("folding");
    this.#jsm = await jetstreamManager(this.#options.nc, { checkAPI: false });
    await this.#lookAtStreams();
    this.#prepare();
    const { nc, readingNc = nc } = this.#options;
    void this.#watch(readingNc);
    const timer = setInterval(() => void this.#tell(), PROGRESS_EVERY_MS);
    try {
      this.#startFolding();
      if (await this.#wasInterrupted()) return await this.#interrupted();
      const tables = await this.#compare();
      if (this.#options.isDryRun === true) return await this.#finish("ready", tables);
      if (!(await this.#exchange())) return await this.#interrupted();
      return await this.#finish("switched", tables);
    } catch (error) {
      this.#note("failed");
      throw error;
    } finally {
      clearInterval(timer);
      this.#isOver = true;
      await this.#stopFolding();
    }
  }

  #prepare(): void {
    const { db, isRollback } = this.#options;
    if (isRollback === true) {
      const missing = this.#projections.filter((one) => !withOldRows(db, [one]).includes(one));
      if (missing.length > 0) throw nothingToGoBackTo(missing);
      return prepareRollback(db, this.#projections);
    }
    for (const projection of this.#projections) {
      if (prepareNext(db, projection)) this.#resumed.push(projection.name);
    }
  }

  #startFolding(): void {
    const streams = new Set(this.#projections.map(({ stream }) => stream as FoldedStream));
    const { nc, readingNc = nc, db, prefixes, log } = this.#options;
    const pace = rebuildPace(db);
    for (const stream of streams) {
      this.#behind.add(stream);
      const projections = this.#projections.filter((one) => one.stream === stream);
      this.#followers.push(
        new Follower({
          nc: readingNc,
          jsm: this.#jsm,
          db,
          checkpoints: this.#checkpoints,
          stream,
          streamName: streamName(prefixes, stream),
          decode: decoderOf(stream, prefixes),
          log,
          pace,
          givesWay: true,
          openFolds: () => this.#openFolds(stream, projections),
          onEnd: () => this.#reachedEnd(stream),
          onStop: (projection) => this.#foldFailed(projection),
        }),
      );
    }
  }

  async #openFolds(stream: FoldedStream, projections: readonly AnyProjection[]) {
    const { db, prefixes } = this.#options;
    const rows = projections.map((one) => checkpointOf(this.#checkpoints, one, "next"));
    const info = await this.#jsm.streams.info(streamName(prefixes, stream));
    this.#infos.set(info.config.name, info);
    const folds: Fold[] = [];
    for (const [index, projection] of projections.entries()) {
      const context = {
        jsm: this.#jsm,
        db,
        checkpoints: this.#checkpoints,
        undo: () => new UndoLog(),
        lane: "next" as const,
        say: (name: string, notice: string) => this.#startedOver(name, notice),
      };
      const position = await checkedPosition(context, projection, info, rows[index]);
      const version = checkpointOf(this.#checkpoints, projection, "next")?.version;
      if (!this.#from.has(projection.name)) this.#from.set(projection.name, position.seq);
      folds.push(new Fold(db, projection, "next", position, undefined, version));
    }
    const from = Math.min(...folds.map((fold) => fold.position.seq), info.state.last_seq);
    return {
      folds,
      start: { fromSeq: from + 1 },
      allowsHoles: importOf(info.config) !== undefined,
    };
  }

  /** The stream is not the one that was folded: what is folded begins with what it holds now. */
  #startedOver(name: string, notice: string): void {
    this.#from.delete(name);
    if (this.#options.isRollback === true) return this.#rejectCaughtUp(tooLate(name, notice));
    this.#options.log.warn({ projection: name }, `the rebuild of ${name} starts over: ${notice}`);
  }

  #reachedEnd(stream: FoldedStream): void {
    this.#behind.delete(stream);
    if (this.#behind.size === 0) this.#resolveCaughtUp();
  }

  #foldFailed(name: string): void {
    const row = this.#checkpoints.readAny(name, "next");
    const at = `message ${row?.error_seq ?? "?"} of ${row?.stream ?? "its stream"}`;
    this.#failure = new AppError(
      "internal",
      `The fold of ${name} failed on ${at}: ${row?.error ?? "no reason was given"}. Nothing was ` +
        "exchanged; mend the fold and rebuild again",
    );
    this.#rejectCaughtUp(this.#failure);
  }

  async #wasInterrupted(): Promise<boolean> {
    const { signal } = this.#options;
    if (signal === undefined) {
      await this.#caughtUp;
      return false;
    }
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    if (!signal.aborted) await Promise.race([this.#caughtUp, aborted]);
    return signal.aborted;
  }

  async #compare(): Promise<LaneReport[]> {
    this.#note("comparing");
    await this.#lookAtStreams();
    const firstSeqs = new Map(
      [...this.#infos].map(([name, { state }]) => [name, state.first_seq] as const),
    );
    return await compareLanes(this.#options.databaseFile, this.#projections, firstSeqs);
  }

  /** False when it was interrupted before. */
  async #exchange(): Promise<boolean> {
    const { db, signal } = this.#options;
    const beganAt = performance.now();
    const waitedMs = () => performance.now() - beganAt;
    let holdMs = HOLD_MIN_MS;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (switchLanes(db, this.#projections, waitedMs() < MAX_LEAD_WAIT_MS)) return true;
      if (waitedMs() < LEAD_WAIT_MS) {
        await delay(LEAD_RETRY_MS);
      } else {
        if (await switchLanesHeld(db, this.#projections, this.#followers, holdMs)) return true;
        holdMs = Math.min(holdMs * 2, HOLD_MAX_MS);
        await delay(HOLD_RETRY_MS);
      }
      if (signal?.aborted === true) return false;
    }
  }

  async #interrupted(): Promise<RebuildReport> {
    return await this.#finish("interrupted", []);
  }

  async #finish(
    outcome: RebuildReport["outcome"],
    tables: readonly LaneReport[],
  ): Promise<RebuildReport> {
    const { folded, total } = this.#progress();
    const tookMs = Date.now() - this.#startedAt;
    await this.#stopFolding();
    this.#note(outcome);
    while (dropSome(this.#options.db, this.#projections)) await delay(DROP_PAUSE_MS);
    return { outcome, resumed: this.#resumed, tables, folded, total, tookMs };
  }

  async #stopFolding(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.close()));
  }

  /** @throws AppError `unavailable` when a stream is not there. */
  async #lookAtStreams(): Promise<void> {
    for (const stream of new Set(this.#projections.map((one) => one.stream as FoldedStream))) {
      const name = streamName(this.#options.prefixes, stream);
      const info = await this.#jsm.streams.info(name).catch((error: unknown) => {
        throw new AppError("unavailable", `Stream ${name} can't be read: ${messageOf(error)}`, {
          cause: error,
        });
      });
      this.#infos.set(name, info);
    }
  }

  #progress(): RebuildProgress {
    let [folded, total] = [0, 0];
    for (const follower of this.#followers) {
      const [first] = follower.folds;
      if (first === undefined) continue;
      const position = Math.min(...follower.folds.map((fold) => fold.position.seq));
      const from = Math.min(
        ...follower.folds.map((fold) => this.#from.get(fold.projection.name) ?? 0),
      );
      const last = this.#infos.get(first.position.stream)?.state.last_seq ?? position;
      folded += Math.max(0, position - from);
      total += Math.max(0, Math.max(last, position) - from);
    }
    const seconds = Math.max(1, Date.now() - this.#startedAt) / 1_000;
    return { folded, total, perSec: folded / seconds };
  }

  async #tell(): Promise<void> {
    try {
      await this.#lookAtStreams();
      if (this.#behind.size > 0) this.#note("folding");
      this.#options.onProgress?.(this.#progress());
    } catch {
      // Without an answer there is no progress to tell of; the followers say what is wrong.
    }
  }

  #note(phase: RebuildPhase): void {
    const { folded, total } = this.#progress();
    writeStanding(this.#options.db, "rebuild", {
      pid: process.pid,
      host: hostname(),
      startedAt: this.#startedAt,
      projections: this.#projections.map(({ name }) => name),
      phase,
      folded,
      total,
    });
  }

  /** A lost connection is told to the followers: they would wait for its time-out otherwise. */
  async #watch(nc: NatsConnection): Promise<void> {
    for await (const { type } of nc.status()) {
      if (this.#isOver) return;
      if (type === "disconnect") for (const follower of this.#followers) follower.interrupt();
      else if (type === "reconnect") for (const follower of this.#followers) follower.resume();
    }
  }
}

function tooLate(name: string, notice: string): AppError {
  return new AppError(
    "conflict",
    `The earlier rows of ${name} can't be gone on with (${notice}): run \`runbeat rebuild ${name}\``,
  );
}

function nothingToGoBackTo(projections: readonly AnyProjection[]): AppError {
  const names = projections.map(({ name }) => name).join(", ");
  return new AppError(
    "not_found",
    `There is nothing to go back to for ${names}: the rows of before are kept from one rebuild to the next only`,
  );
}
