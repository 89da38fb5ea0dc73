/** The projector: follows every stream, folds it into the read models, mirrors retention. */
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { importOf } from "../core/imported-stream.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { checkpointStore } from "../store/checkpoint.ts";
import type { CheckpointStore } from "../store/checkpoint.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { decoderOf } from "./decode.ts";
import { FastLane } from "./fast-lane.ts";
import { Fold } from "./fold.ts";
import { Follower } from "./follower.ts";
import type { OpenedFolds } from "./follower.ts";
import { checkedPosition, checkpointOf } from "./positions.ts";
import type { PositionContext } from "./positions.ts";
import { startRetention } from "./retention.ts";
import { startSignOfLife } from "./sign-of-life.ts";
import { UndoLog } from "./undo-log.ts";

/** With more messages than this to fold, statuses are told from the newest messages first. */
const FAST_LANE_BACKLOG = 20_000;
/** Projections of one stream that are further apart than this do not wait for each other. */
const MAX_SPREAD_MESSAGES = 10_000;
/** How often projections that stand still are looked at. */
const REVIVE_EVERY_MS = 2_000;

export interface ProjectorOptions {
  /** For asking the server. */
  readonly nc: NatsConnection;
  /** For reading, `nc` unless given: on a connection that a backlog comes in on, answers wait. */
  readonly readingNc?: NatsConnection;
  /** Open for writing, tables up to date. */
  readonly db: SqliteDatabase;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly log: Logger;
}

export interface Projector {
  /** Resolves once every stream's end was reached. */
  readonly caughtUp: Promise<void>;
  /**
   * Projections whose rows another version of their fold made: these are served, and folded on,
   * until a rebuild has made new ones.
   */
  readonly outdated: readonly string[];
  /** Commits what is folded and ends. */
  close(): Promise<void>;
}

/** Starts to fold. @throws AppError `unavailable` when JetStream does not answer. */
export async function startProjector(options: ProjectorOptions): Promise<Projector> {
  const jsm = await jetstreamManager(options.nc, { checkAPI: false });
  const run = new ProjectorRun(options, jsm);
  await run.start();
  return run;
}

class ProjectorRun implements Projector {
  readonly caughtUp: Promise<void>;
  readonly #options: ProjectorOptions;
  readonly #jsm: JetStreamManager;
  readonly #checkpoints: CheckpointStore;
  readonly #fastLane: FastLane;
  readonly #followers: Follower[] = [];
  /** Followers whose end of the stream was not reached yet. */
  readonly #behind = new Set<string>();
  /** Projections whose fold threw; tried again by the next projector. */
  readonly #stopped = new Set<string>();
  readonly #undo = new Map<string, UndoLog>();
  /** Connections that are lost at the moment. */
  readonly #down = new Set<NatsConnection>();
  #closers: (() => Promise<void>)[] = [];
  #caughtUp: () => void = () => undefined;

  constructor(options: ProjectorOptions, jsm: JetStreamManager) {
    this.#options = options;
    this.#jsm = jsm;
    this.#checkpoints = checkpointStore(options.db);
    this.#fastLane = new FastLane({ ...options, jsm, checkpoints: this.#checkpoints });
    this.caughtUp = new Promise((resolve) => {
      this.#caughtUp = resolve;
    });
  }

  get outdated(): readonly string[] {
    return this.#options.projections
      .filter((projection) => {
        const row = checkpointOf(this.#checkpoints, projection);
        return row !== undefined && row.version !== projection.version;
      })
      .map(({ name }) => name);
  }

  async start(): Promise<void> {
    const { projections } = this.#options;
    this.#resumeStopped();
    this.#sayOutdated();
    const streams = [...new Set(projections.map((projection) => projection.stream))];
    for (const stream of streams) {
      const ours = projections.filter((projection) => projection.stream === stream);
      for (const group of this.#groups(ours)) this.#follow(stream, group);
    }
    const { nc, readingNc = nc } = this.#options;
    for (const connection of new Set([nc, readingNc])) void this.#watch(connection);
    const { db, log } = this.#options;
    const retention = startRetention({ ...this.#options, jsm: this.#jsm });
    this.#closers.push(() => retention.close());
    const sign = startSignOfLife(db, log, () => this.outdated);
    const revival = setInterval(() => this.#followRebuilt(), REVIVE_EVERY_MS);
    this.#closers.push(async () => {
      sign.stop();
      clearInterval(revival);
    });
  }

  async close(): Promise<void> {
    // The fast lane first: the others may wait for it.
    await this.#fastLane.close();
    await Promise.all(this.#followers.map((follower) => follower.close()));
    for (const close of this.#closers.toReversed()) await close();
  }

  async #watch(nc: NatsConnection): Promise<void> {
    for await (const { type } of nc.status()) {
      if (type === "disconnect") {
        this.#down.add(nc);
        for (const follower of this.#followers) follower.interrupt();
      } else if (type === "reconnect") {
        this.#down.delete(nc);
        if (this.#down.size === 0) for (const follower of this.#followers) follower.resume();
      }
    }
  }

  /** A new projector gives projections that had stopped another try. */
  #resumeStopped(): void {
    for (const projection of this.#options.projections) {
      const row = checkpointOf(this.#checkpoints, projection);
      if (row?.state === "stopped") this.#checkpoints.resume(row);
    }
  }

  /** Rows of another version stay: an empty table would be worse than one that is out of date. */
  #sayOutdated(): void {
    for (const projection of this.#options.projections) {
      const row = checkpointOf(this.#checkpoints, projection);
      if (row === undefined || row.version === projection.version) continue;
      const { name, version } = projection;
      const notice = `its rows are of version ${row.version} of its fold and this is version ${version}: \`runbeat rebuild ${name}\` makes them anew`;
      this.#checkpoints.say(row, notice);
      this.#options.log.warn({ projection: name }, `${name}: ${notice}`);
    }
  }

  /** Projections that stand close together share a reader; a straggler gets one of its own. */
  #groups(projections: readonly AnyProjection[]): AnyProjection[][] {
    const at = (projection: AnyProjection) => checkpointOf(this.#checkpoints, projection)?.seq ?? 0;
    const sorted = projections.toSorted((a, b) => at(a) - at(b));
    const groups: AnyProjection[][] = [];
    let from = Number.NEGATIVE_INFINITY;
    for (const projection of sorted) {
      const group = groups.at(-1);
      if (group !== undefined && at(projection) - from <= MAX_SPREAD_MESSAGES)
        group.push(projection);
      else {
        groups.push([projection]);
        from = at(projection);
      }
    }
    return groups;
  }

  #follow(stream: FoldedStream, group: AnyProjection[]): void {
    const { nc, readingNc, db, prefixes, log } = this.#options;
    const id = `${stream}:${group.map((projection) => projection.name).join()}`;
    this.#behind.add(id);
    this.#followers.push(
      new Follower({
        nc: readingNc ?? nc,
        jsm: this.#jsm,
        db,
        checkpoints: this.#checkpoints,
        stream,
        streamName: streamName(prefixes, stream),
        decode: decoderOf(stream, prefixes),
        log,
        openFolds: () => this.#openFolds(stream, group, id),
        onEnd: () => this.#reachedEnd(id),
        onStop: (projection) => this.#stopped.add(projection),
      }),
    );
  }

  /** A projection that stood still goes on where a rebuild has given it rows of its own. */
  #followRebuilt(): void {
    for (const name of this.#stopped) {
      const projection = this.#options.projections.find((one) => one.name === name);
      const row = this.#checkpoints.readAny(name, "main");
      if (projection === undefined || row?.state !== "running") continue;
      this.#stopped.delete(name);
      this.#follow(projection.stream as FoldedStream, [projection]);
    }
  }

  #reachedEnd(id: string): void {
    this.#behind.delete(id);
    if (this.#behind.size > 0) return;
    this.#fastLane.retire();
    this.#caughtUp();
  }

  async #openFolds(stream: FoldedStream, group: AnyProjection[], id: string): Promise<OpenedFolds> {
    const { db, prefixes } = this.#options;
    const rows = group.map((projection) => checkpointOf(this.#checkpoints, projection));
    const info = await this.#jsm.streams.info(streamName(prefixes, stream));
    let folds: Fold[] = [];
    for (const [index, projection] of group.entries()) {
      if (this.#stopped.has(projection.name)) continue;
      const context = this.#positionContext();
      const position = await checkedPosition(context, projection, info, rows[index]);
      const version = checkpointOf(this.#checkpoints, projection)?.version;
      const undo = this.#undoOf(projection.name);
      folds.push(new Fold(db, projection, "main", position, undo, version));
    }
    folds = this.#withoutStragglers(stream, group, folds);
    const from = Math.min(...folds.map((fold) => fold.position.seq), info.state.last_seq);
    if (this.#mustWait(folds, info, from, id)) {
      await this.#fastLane.loaded;
      // The streams have gone on meanwhile.
      return await this.#openFolds(stream, group, id);
    }
    const allowsHoles = importOf(info.config) !== undefined;
    return { folds, start: { fromSeq: from + 1 }, allowsHoles };
  }

  /** One that must be folded anew does not hold the others of its group up. */
  #withoutStragglers(stream: FoldedStream, group: AnyProjection[], folds: readonly Fold[]): Fold[] {
    const newest = Math.max(...folds.map((fold) => fold.position.seq));
    const isNear = (fold: Fold) => newest - fold.position.seq <= MAX_SPREAD_MESSAGES;
    const behind = folds.filter((fold) => !isNear(fold)).map((fold) => fold.projection);
    if (behind.length > 0) {
      group.splice(0, group.length, ...group.filter((one) => !behind.includes(one)));
      this.#follow(stream, behind);
    }
    return folds.filter(isNear);
  }

  /** A long backlog waits until the statuses are told from the newest messages. */
  #mustWait(folds: readonly Fold[], info: StreamInfo, from: number, id: string): boolean {
    if (info.state.last_seq - from <= FAST_LANE_BACKLOG) return false;
    if (folds.some((fold) => fold.projection.tellsStatus)) {
      this.#behind.add(id);
      this.#fastLane.start();
    }
    return this.#fastLane.isLoading;
  }

  #undoOf(projection: string): UndoLog {
    const log = this.#undo.get(projection) ?? new UndoLog();
    this.#undo.set(projection, log);
    return log;
  }

  #positionContext(): PositionContext {
    const { db, log } = this.#options;
    return {
      jsm: this.#jsm,
      db,
      checkpoints: this.#checkpoints,
      undo: (projection) => this.#undoOf(projection),
      say: (projection, notice) => log.warn({ projection }, `${projection}: ${notice}`),
    };
  }
}
