/**
 * Keeps marks: copies the live status tables every so many messages, and folds marks where there
 * are none, after a rebuild or for what was stored before.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { copyLive, packFile, positionsIn, removeWorkFile } from "../store/mark-image.ts";
import type { Mark, MarkPosition, MarkStore } from "../store/mark-store.ts";
import { openReadOnly } from "../store/open.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { MARK_EVERY_MESSAGES } from "./fold-state.ts";
import { startFilling } from "./mark-filling.ts";
import type { Filling } from "./mark-filling.ts";
import { MarkPace } from "./mark-pace.ts";
import type { MarkWork } from "./mark-pace.ts";
import { markedTables } from "./marked-tables.ts";

/** Marks stand no closer than this part of what the stream holds. */
const MAX_MARKS = 2_000;
/** Of the room for marks; the rest is for marks that grow, before any is thinned out. */
const USED_PART = 0.9;

export interface MarkKeeperOptions {
  readonly nc: NatsConnection;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly databaseFile: string;
  readonly marks: MarkStore;
  /** A folder for what is being packed. */
  readonly workDir: string;
  readonly log: Pick<Logger, "debug">;
  /** Messages between two marks, at least; for tests. */
  readonly everyMessages?: number;
}

export interface MarkKeeper {
  close(): Promise<void>;
}

/** Starts to keep marks, and goes on whatever fails. */
export async function startMarkKeeper(options: MarkKeeperOptions): Promise<MarkKeeper> {
  const jsm = await jetstreamManager(options.nc, { checkAPI: false });
  const run = new KeeperRun(options, jsm);
  return { close: async () => await run.close() };
}

/** What is there, in sequences of the heartbeats' stream. */
interface Sight {
  readonly info: StreamInfo;
  /** Oldest first. */
  readonly marks: readonly Mark[];
  readonly live: readonly MarkPosition[];
  readonly liveSeq: number;
  readonly spacing: number;
}

class KeeperRun {
  readonly #options: MarkKeeperOptions;
  readonly #jsm: JetStreamManager;
  readonly #abort = new AbortController();
  readonly #pace = new MarkPace();
  readonly #done: Promise<void>;
  #filling: Filling | undefined;

  constructor(options: MarkKeeperOptions, jsm: JetStreamManager) {
    this.#options = options;
    this.#jsm = jsm;
    this.#done = this.#run();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const work = await this.#pass().catch((error: unknown) => this.#failed(error));
      const restMs = this.#pace.restMs(work, performance.now() - startedAt);
      await delay(restMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
    this.#stopFilling();
  }

  #failed(error: unknown): undefined {
    this.#stopFilling();
    if (!this.#abort.signal.aborted) {
      this.#options.log.debug(`no mark is kept now: ${messageOf(error)}`);
    }
  }

  /** @returns how a mark was made; undefined where none was. */
  async #pass(): Promise<MarkWork | undefined> {
    const sight = await this.#look();
    if (sight === undefined) return undefined;
    const newest = sight.marks.at(-1)?.seq ?? sight.info.state.first_seq - 1;
    // What is live comes first; marks of what it has passed meanwhile are filled in after it.
    if (sight.info.state.last_seq - sight.liveSeq > sight.spacing) return undefined;
    if (sight.liveSeq - newest >= sight.spacing) return (await this.#copy()) ? "copied" : undefined;
    return (await this.#fill(sight)) ? "filled" : undefined;
  }

  async #look(): Promise<Sight | undefined> {
    const { prefixes, marks } = this.#options;
    const info = await this.#jsm.streams.info(streamName(prefixes, "heartbeats"));
    this.#pace.see(info.state.last_seq, performance.now());
    const live = this.#livePositions();
    const liveSeq = live?.find(({ stream }) => stream === info.config.name)?.seq;
    if (live === undefined || liveSeq === undefined) return undefined;
    const all = marks.list();
    const outdated = all.filter((mark) => isOutdated(mark, info, live));
    if (outdated.length > 0) marks.remove(outdated.map(({ id }) => id));
    const kept = all.filter((mark) => !outdated.includes(mark)).toReversed();
    const spacing = this.#spacing(info.state.messages, kept);
    return { info, marks: kept, live, liveSeq, spacing };
  }

  /** No closer than there is room for: what is thinned out must not be filled in again. */
  #spacing(messages: number, marks: readonly Mark[]): number {
    const { marks: store, everyMessages = MARK_EVERY_MESSAGES } = this.#options;
    const bytes = marks.reduce((most, mark) => Math.max(most, mark.bytes), 1);
    const fitting = Math.max(2, Math.floor(store.maxBytes / bytes) - 1);
    return Math.max(everyMessages, Math.ceil(messages / Math.min(MAX_MARKS, fitting * USED_PART)));
  }

  #livePositions(): readonly MarkPosition[] | undefined {
    const { databaseFile, projections } = this.#options;
    const db = openReadOnly(databaseFile);
    try {
      return positionsIn(db, markedTables(projections), "live");
    } finally {
      db.close();
    }
  }

  /** One of the live tables as they are now. @returns whether it was made. */
  async #copy(): Promise<boolean> {
    const { databaseFile, projections, marks, workDir } = this.#options;
    const file = join(workDir, "marks.copy");
    try {
      const positions = await copyLive(databaseFile, file, markedTables(projections));
      const seq = positions?.find(({ projection }) => projection === "latest_heartbeat")?.seq;
      if (positions === undefined || seq === undefined) return false;
      marks.add(seq, positions, packFile(file));
      this.#pace.copied(seq);
      return true;
    } finally {
      removeWorkFile(file);
    }
  }

  /** The next one in the newest stretch without any. @returns whether it was made. */
  async #fill(sight: Sight): Promise<boolean> {
    this.#filling ??= await this.#beginFilling(sight);
    if (this.#filling === undefined) return false;
    const goesOn = await this.#filling.step(sight.spacing);
    if (!goesOn) this.#stopFilling();
    return goesOn;
  }

  async #beginFilling({ info, marks, liveSeq, spacing }: Sight): Promise<Filling | undefined> {
    const { nc, prefixes, projections, marks: store, workDir } = this.#options;
    const end = Math.min(liveSeq, info.state.last_seq);
    for (let index = marks.length - 1; index >= -1; index--) {
      const base = marks[index];
      const from = base?.seq ?? info.state.first_seq - 1;
      const to = marks[index + 1]?.seq ?? end;
      if (to - from < this.#pace.minStretch(spacing)) continue;
      const file = join(workDir, "marks.fill");
      const { signal } = this.#abort;
      const jsm = this.#jsm;
      return await startFilling({ nc, jsm, prefixes, projections, store, file, base, to, signal });
    }
    return undefined;
  }

  #stopFilling(): void {
    this.#filling?.close();
    this.#filling = undefined;
  }
}

/** Before what the streams still hold, of another stream, or copied from tables that were replaced. */
function isOutdated(mark: Mark, info: StreamInfo, live: readonly MarkPosition[]): boolean {
  if (mark.seq < info.state.first_seq - 1 || mark.seq > info.state.last_seq) return true;
  return live.some((own) => {
    const position = mark.positions.find(({ projection }) => projection === own.projection);
    if (position === undefined || position.version !== own.version) return true;
    if (position.created !== own.created) return true;
    return position.generation !== null && position.generation !== own.generation;
  });
}
