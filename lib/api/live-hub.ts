/**
 * Tells live clients what changes. One look at the read models serves them all; a client whose
 * socket is full waits, and is then told the newest of each runner that changed meanwhile: nothing
 * queues up for it but its place in the log.
 */
import { randomUUID } from "node:crypto";
import { AppError } from "../core/errors.ts";
import type { Moment, ReadModels } from "../core/read-models.ts";
import { LiveChunk } from "./live-client.ts";
import type { LiveClient } from "./live-client.ts";
import { KEEP_ALIVE } from "./live-frame.ts";
import type { LivePlace } from "./live-frame.ts";
import { LiveLog } from "./live-log.ts";
import { LivePieces, PART_EVENTS } from "./live-pieces.ts";
import { LiveSnapshot, PART_RUNNERS } from "./live-snapshot.ts";
import type { LiveTexts } from "./live-texts.ts";
import type { PipelineMonitor } from "./pipeline-monitor.ts";

/** How often the read models are looked at while there are clients. */
const LOOK_EVERY_MS = 5;
/** How often all statuses are looked at: they also change by the passing of time. */
const STATUSES_EVERY_MS = 100;
const SUMMARY_EVERY_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
const CHECK_EVERY_MS = 1_000;
/** Clients that begin within this time share one snapshot, and are told what came after it. */
const SNAPSHOT_SHARED_MS = 1_000;
/** Whoever has missed more events than these begins anew. */
const MAX_MISSED_EVENTS = 10_000;

/** How far somebody has come. */
type Progress = Pick<LivePlace, "version" | "eventSeq">;

export interface LiveHubOptions {
  readonly models: ReadModels;
  readonly monitor: PipelineMonitor;
  readonly texts: LiveTexts;
  readonly onFault: (error: unknown) => void;
}

export class LiveHub {
  /** Clients that were dropped because they took nothing. */
  dropped = 0;
  private readonly options: LiveHubOptions;
  private readonly clients = new Set<LiveClient>();
  /** Those that follow single runners, by runner: what concerns nobody costs nothing. */
  private readonly followers = new Map<string, Set<LiveClient>>();
  private readonly name = randomUUID().replaceAll("-", "");
  private beginnings = 1;
  private readonly log = new LiveLog();
  private readonly pieces: LivePieces;
  /** What those began with who want all. */
  private snapshot: { of: LiveSnapshot; madeAt: number } | undefined;
  private seq = 0;
  private eventSeq = 0;
  /** How far everybody is who lacks nothing. */
  private told: Progress = { version: 0, eventSeq: 0 };
  private eventsCreated: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private statusesAt = -Infinity;
  private summaryAt = -Infinity;
  private keptAliveAt = -Infinity;
  private checkedAt = -Infinity;
  private summary = { text: "", same: "" };
  private isClosed = false;

  constructor(options: LiveHubOptions) {
    this.options = options;
    this.pieces = new LivePieces(options.texts, this.log);
  }

  /** Frames that were made, each for one client or for many. */
  get frames(): number {
    return this.pieces.frames;
  }

  get size(): number {
    return this.clients.size;
  }

  /** @throws AppError `unavailable` while nobody can be served. */
  check(): void {
    if (this.isClosed) throw new AppError("unavailable", "The API is about to stop: try again");
    this.look();
  }

  /**
   * Takes a client in, after a {@link check}.
   * @param place where it was before; undefined for a new one, and for a place that is not ours.
   */
  add(client: LiveClient, place: LivePlace | undefined, isReturning: boolean): void {
    this.clients.add(client);
    for (const runner of client.runners) {
      const followers = this.followers.get(runner) ?? new Set();
      this.followers.set(runner, followers.add(client));
    }
    if (place !== undefined && this.canResume(place)) {
      client.epoch = place.epoch;
      client.moveTo(place);
    } else this.begin(client, isReturning ? "too old, or of another server" : undefined);
    this.catchUp(client, this.options.monitor.moment());
    if (this.timer === undefined) {
      this.summaryAt = -Infinity;
      this.wait(LOOK_EVERY_MS);
    }
  }

  /**
   * Requests have their turn too: a fifth of the time where looking and telling take the rest. Whole
   * milliseconds: Node keeps a list for each different time, and rounds up.
   */
  private wait(tookMs: number): void {
    const pauseMs = Math.max(1, Math.floor(Math.max(LOOK_EVERY_MS - tookMs, tookMs / 4)));
    this.timer = setTimeout(() => {
      const before = performance.now();
      this.tick();
      if (this.timer !== undefined) this.wait(performance.now() - before);
    }, pauseMs);
  }

  remove(client: LiveClient): void {
    this.clients.delete(client);
    for (const runner of client.runners) {
      const followers = this.followers.get(runner);
      if (followers?.delete(client) === true && followers.size === 0) this.followers.delete(runner);
    }
    if (this.clients.size > 0) return;
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /**
   * The socket of a client takes more again. It is told with the others what they lack too, unless
   * it has far to go: one part a look would not be enough to come after.
   */
  resume(client: LiveClient): void {
    const isFarBehind = this.log.version - client.version > PART_RUNNERS;
    if (client.snapshot === undefined && !isFarBehind) return;
    this.guarded(() => this.catchUp(client, this.options.monitor.moment()));
  }

  close(): void {
    this.isClosed = true;
    for (const client of this.clients) {
      client.end();
      this.remove(client);
    }
  }

  private get epoch(): string {
    return `${this.name}.${this.beginnings}`;
  }

  private canResume({ epoch, version, eventSeq }: LivePlace): boolean {
    if (epoch !== this.epoch || !this.log.reaches(version) || eventSeq > this.eventSeq)
      return false;
    return this.eventSeq - eventSeq <= MAX_MISSED_EVENTS;
  }

  /** A client that knows nothing, or whose knowledge can't be mended. */
  private begin(client: LiveClient, why: string | undefined): void {
    client.epoch = this.epoch;
    if (why !== undefined) {
      // Whoever is cut off before its snapshot can't go on from there.
      const place = { epoch: `${this.name}.0`, version: 0, eventSeq: 0 };
      client.write(this.pieces.chunk(place, "reset", JSON.stringify({ reason: why })));
    }
    client.snapshot = client.wantsAll ? this.sharedSnapshot() : this.makeSnapshot(client);
    client.partsSent = 0;
    client.moveTo(client.snapshot.place);
    client.isBehind = true;
  }

  private sharedSnapshot(): LiveSnapshot {
    const now = performance.now();
    const { snapshot } = this;
    const isFresh = snapshot !== undefined && now - snapshot.madeAt < SNAPSHOT_SHARED_MS;
    if (isFresh && snapshot.of.place.epoch === this.epoch) return snapshot.of;
    this.snapshot = { of: this.makeSnapshot(), madeAt: now };
    return this.snapshot.of;
  }

  /** @param client where it wants only some. */
  private makeSnapshot(client?: LiveClient): LiveSnapshot {
    const { version } = this.log;
    const place = { epoch: this.epoch, version, eventSeq: this.eventSeq };
    const runners = [...this.runnersFor(client)].filter((runner) => client?.wants(runner) ?? true);
    return new LiveSnapshot(place, runners.toSorted());
  }

  private runnersFor(client: LiveClient | undefined): Iterable<string> {
    if (client === undefined || client.runners.size === 0) return this.log.runners();
    return [...client.runners].filter((runner) => this.log.isThere(runner));
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      // No database for a while: clients see that nothing comes, and statuses tell the rest.
      if (!(error instanceof AppError)) this.options.onFault(error);
    }
  }

  private tick(): void {
    this.guarded(() => {
      const moment = this.look();
      this.tell(moment);
      this.tellSummary(moment);
    });
    this.keepAlive();
  }

  /** Looks at the read models and notes what changed. */
  private look(): Moment {
    const { models, monitor } = this.options;
    const moment = monitor.moment();
    const now = performance.now();
    const withStatuses = now - this.statusesAt >= STATUSES_EVERY_MS;
    if (withStatuses) this.statusesAt = now;
    this.lookAtEvents();
    const { shown, gone, seq } = models.changes(moment, withStatuses);
    this.seq = seq;
    for (const runner of shown) this.log.note(runner, false);
    for (const runner of gone) this.log.note(runner, true);
    return moment;
  }

  private lookAtEvents(): void {
    const row = this.options.models
      .checkpoints()
      .rows.find(({ projection, lane }) => projection === "timeline" && lane === "main");
    const seq = row?.seq ?? 0;
    const isOther = this.eventsCreated !== undefined && row?.stream_created !== this.eventsCreated;
    // Sequences that begin again mean other events than those that were told.
    if (isOther || seq < this.eventSeq) this.beginAgain(seq);
    else this.eventSeq = seq;
    this.eventsCreated = row?.stream_created;
  }

  private beginAgain(eventSeq: number): void {
    this.beginnings += 1;
    this.eventSeq = eventSeq;
    this.told = { version: this.told.version, eventSeq };
    for (const client of this.clients) this.begin(client, "the stream of events began anew");
  }

  /**
   * Tells everybody what was noted since the last time, whoever looked. Who is concerned is settled
   * before anything is sent: whatever fails in between, the next time goes on from the same place.
   */
  private tell(moment: Moment): void {
    const before = this.told;
    if (this.log.version !== before.version || this.eventSeq !== before.eventSeq) {
      this.pieces.renew();
      for (const client of this.concerned(before)) this.leaveBehind(client, before);
      this.prepare(before, moment);
      this.told = { version: this.log.version, eventSeq: this.eventSeq };
    }
    for (const client of this.clients) if (client.isBehind) this.catchUp(client, moment);
  }

  /** What many will be told in small parts is read at once. */
  private prepare({ version }: Progress, moment: Moment): void {
    if (this.followers.size === 0) return;
    const isForAll = [...this.clients].some(({ runners }) => runners.size === 0);
    const entries = this.log.after(version, PART_RUNNERS);
    const wanted = entries.filter(({ runner }) => isForAll || this.followers.has(runner));
    this.pieces.prepare(wanted, moment);
  }

  /** One that lacked nothing lacks what came since; one that is new may have seen some of it. */
  private leaveBehind(client: LiveClient, before: Progress): void {
    if (client.isBehind) return;
    client.version = Math.max(client.version, before.version);
    client.eventSeq = Math.max(client.eventSeq, before.eventSeq);
    client.isBehind = true;
  }

  /** Whom the changes since then may interest; those first to whom little is to be told. */
  private concerned({ version, eventSeq }: Progress): Iterable<LiveClient> {
    const hasEvents = this.eventSeq !== eventSeq;
    if (this.followers.size === 0 || this.eventSeq - eventSeq > PART_EVENTS) return this.clients;
    const concerned = new Set<LiveClient>();
    const events = hasEvents ? this.options.texts.events(eventSeq, PART_EVENTS) : [];
    for (const { runner } of [...this.log.after(version, Infinity), ...events])
      for (const client of this.followers.get(runner) ?? []) concerned.add(client);
    for (const client of this.clients) if (client.runners.size === 0) concerned.add(client);
    return concerned;
  }

  /** Sends a client what it lacks, for as long as its socket takes it. */
  private catchUp(client: LiveClient, moment: Moment): void {
    const { pieces } = this;
    while (client.isReady && client.snapshot !== undefined) {
      client.write(pieces.snapshotPart(client.snapshot, client.partsSent++, moment, this.seq));
      if (client.partsSent === client.snapshot.size) client.snapshot = undefined;
    }
    while (client.isReady && !this.isAtHead(client)) {
      const piece = pieces.next(client, this.eventSeq, moment);
      if (piece.chunk !== undefined) client.write(piece.chunk);
      client.moveTo(piece);
    }
    client.isBehind = client.snapshot !== undefined || !this.isAtHead(client);
  }

  private isAtHead({ version, eventSeq }: LiveClient): boolean {
    return version >= this.log.version && eventSeq >= this.eventSeq;
  }

  private tellSummary(moment: Moment): void {
    const now = performance.now();
    if (now - this.summaryAt >= SUMMARY_EVERY_MS) {
      this.summaryAt = now;
      this.summary = this.options.texts.summary(moment);
    }
    const { text, same } = this.summary;
    let shared: LiveChunk | undefined;
    for (const client of this.clients) {
      // Who lacks something is told that first: the mark of a frame must not be ahead of it.
      if (client.summary === same || !client.isReady || client.isBehind) continue;
      client.summary = same;
      if (client.version > this.told.version || client.eventSeq > this.told.eventSeq)
        client.write(this.pieces.chunk(client, "summary", text));
      else {
        client.moveTo(this.told);
        shared ??= this.pieces.chunk(client, "summary", text);
        client.write(shared);
      }
    }
  }

  /** Drops whoever takes nothing; tells others now and then that it is still there. */
  private keepAlive(): void {
    const now = performance.now();
    if (now - this.checkedAt < CHECK_EVERY_MS) return;
    this.checkedAt = now;
    const isDue = now - this.keptAliveAt >= KEEP_ALIVE_MS;
    if (isDue) this.keptAliveAt = now;
    const chunk = new LiveChunk(KEEP_ALIVE);
    for (const client of this.clients) {
      if (client.hasStalled(now)) {
        this.dropped += 1;
        this.remove(client);
        client.drop();
      } else if (isDue && client.isReady) client.write(chunk);
    }
  }
}
