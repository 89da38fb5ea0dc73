/**
 * Tells live clients what changes. One look at the read models serves them all; a client whose
 * socket is full waits, and is then told the newest of each runner that changed meanwhile: nothing
 * queues up for it but its place in the log.
 */
import { randomUUID } from "node:crypto";
import { AppError } from "../core/errors.ts";
import type { Moment, ReadModels } from "../core/read-models.ts";
import { redactJson } from "../core/redact.ts";
import { LiveChunk } from "./live-client.ts";
import type { LiveClient } from "./live-client.ts";
import { KEEP_ALIVE, frame } from "./live-frame.ts";
import type { LiveEventName, LivePlace } from "./live-frame.ts";
import { LiveLog } from "./live-log.ts";
import type { LiveEntry } from "./live-log.ts";
import type { LiveTexts } from "./live-texts.ts";
import type { PipelineMonitor } from "./pipeline-monitor.ts";

/** How often the read models are looked at while there are clients. */
const LOOK_EVERY_MS = 5;
/** How often all statuses are looked at: they also change by the passing of time. */
const STATUSES_EVERY_MS = 100;
const SUMMARY_EVERY_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
/** Runners that are written to one client at a time: what a full socket still has to hold. */
const PART_RUNNERS = 1_000;
const PART_EVENTS = 500;
/** Whoever has missed more events than these begins anew. */
const MAX_MISSED_EVENTS = 10_000;

/** Items that are kept at hand for the next client. */
const MAX_ITEMS = 4_000;

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
  /** Frames that were made, each for one client or for many. */
  frames = 0;
  private readonly options: LiveHubOptions;
  private readonly clients = new Set<LiveClient>();
  /** Those that follow single runners, by runner: what concerns nobody costs nothing. */
  private readonly followers = new Map<string, Set<LiveClient>>();
  /** Clients that lack something, all but those who wait for nothing but the next change. */
  private readonly behind = new Set<LiveClient>();
  /** Items of the newest changes, for as long as they are the newest. */
  private readonly items = new Map<LiveEntry, string | undefined>();
  private readonly name = randomUUID().replaceAll("-", "");
  private beginnings = 1;
  private readonly log = new LiveLog();
  private seq = 0;
  private eventSeq = 0;
  /** How far everybody is who lacks nothing. */
  private told: Progress = { version: 0, eventSeq: 0 };
  private eventsCreated: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private statusesAt = -Infinity;
  private summaryAt = -Infinity;
  private keptAliveAt = -Infinity;
  private summary = { text: "", same: "" };
  private isClosed = false;

  constructor(options: LiveHubOptions) {
    this.options = options;
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
      client.version = place.version;
      client.eventSeq = place.eventSeq;
    } else this.begin(client, isReturning ? "too old, or of another server" : undefined);
    this.catchUp(client, this.options.monitor.moment());
    this.timer ??= this.start();
  }

  private start(): NodeJS.Timeout {
    this.summaryAt = -Infinity;
    return setInterval(() => this.tick(), LOOK_EVERY_MS);
  }

  remove(client: LiveClient): void {
    this.clients.delete(client);
    this.behind.delete(client);
    for (const runner of client.runners) {
      const followers = this.followers.get(runner);
      if (followers?.delete(client) === true && followers.size === 0) this.followers.delete(runner);
    }
    if (this.clients.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** The socket of a client takes more again. */
  resume(client: LiveClient): void {
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
    client.version = this.log.version;
    client.eventSeq = this.eventSeq;
    client.snapshot = [...this.log.runners()].filter((runner) => client.wants(runner)).toSorted();
    if (why !== undefined) this.send(client, "reset", JSON.stringify({ reason: why }));
    if (client.snapshot.length === 0) this.sendSnapshot(client, this.options.monitor.moment());
    this.behind.add(client);
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
      this.items.clear();
      for (const client of this.concerned(before)) this.leaveBehind(client, before);
      this.told = { version: this.log.version, eventSeq: this.eventSeq };
    }
    let chunk: LiveChunk | undefined;
    for (const client of this.behind) {
      if (client.wantsAll && client.isReady && this.isOnlyBehind(client, before)) {
        chunk ??= this.chunkSince(before, moment);
        client.write(chunk);
        client.version = this.log.version;
        client.eventSeq = this.eventSeq;
        this.behind.delete(client);
      } else this.catchUp(client, moment);
    }
  }

  /** One that lacked nothing lacks what came since; one that is new may have seen some of it. */
  private leaveBehind(client: LiveClient, before: Progress): void {
    if (this.behind.has(client)) return;
    client.version = Math.max(client.version, before.version);
    client.eventSeq = Math.max(client.eventSeq, before.eventSeq);
    this.behind.add(client);
  }

  /** Whether it lacks just what most others do, and that is not too much for one piece. */
  private isOnlyBehind(client: LiveClient, before: Progress): boolean {
    return (
      client.snapshot.length === 0 &&
      client.version === before.version &&
      client.eventSeq === before.eventSeq &&
      this.isShortSince(before)
    );
  }

  private isShortSince({ version, eventSeq }: Progress): boolean {
    return this.log.version - version <= PART_RUNNERS && this.eventSeq - eventSeq <= PART_EVENTS;
  }

  /** Whom the changes since then may interest. */
  private concerned(before: Progress): Iterable<LiveClient> {
    if (!this.isShortSince(before) || this.followers.size === 0) return this.clients;
    const concerned = new Set<LiveClient>();
    for (const client of this.clients) if (client.runners.size === 0) concerned.add(client);
    const events = this.options.texts.events(before.eventSeq, PART_EVENTS);
    for (const { runner } of [...this.log.after(before.version, PART_RUNNERS), ...events])
      for (const client of this.followers.get(runner) ?? []) concerned.add(client);
    return concerned;
  }

  private chunkSince(before: Progress, moment: Moment): LiveChunk {
    const place = { epoch: this.epoch, ...before };
    const events = this.eventFrames(place, PART_EVENTS, () => true);
    const entries = this.log.after(before.version, PART_RUNNERS);
    return new LiveChunk(events.text + this.runnerFrames(events.place, entries, moment));
  }

  /** Sends a client what it lacks, for as long as its socket takes it. */
  private catchUp(client: LiveClient, moment: Moment): void {
    while (client.isReady && client.snapshot.length > 0) this.sendSnapshot(client, moment);
    while (client.isReady && client.eventSeq < this.eventSeq) {
      const { text, place } = this.eventFrames(client, PART_EVENTS, (runner) =>
        client.wants(runner),
      );
      client.eventSeq = place.eventSeq;
      if (text !== "") client.write(new LiveChunk(text));
    }
    while (client.isReady && client.version < this.log.version) {
      const entries = this.log.after(client.version, PART_RUNNERS);
      const wanted = client.wanted(entries);
      if (wanted.length > 0) client.write(new LiveChunk(this.runnerFrames(client, wanted, moment)));
      client.version = entries.at(-1)?.version ?? this.log.version;
      if (entries.length < PART_RUNNERS) client.version = this.log.version;
    }
    if (client.isAtHead(this.log, this.eventSeq)) this.behind.delete(client);
    else this.behind.add(client);
  }

  private sendSnapshot(client: LiveClient, moment: Moment): void {
    const { texts } = this.options;
    const part = client.snapshot.splice(0, PART_RUNNERS);
    const items = texts.runners(part, moment).filter((text) => text !== undefined);
    const more = client.snapshot.length > 0;
    const json = `{"items":[${items.join(",")}],"more":${more},"as_of":${texts.asOf(moment, this.seq)}}`;
    // Whoever is cut off within a snapshot can't go on from there.
    const { version, eventSeq } = client;
    const epoch = more ? `${this.name}.0` : client.epoch;
    this.send(client, "snapshot", json, { epoch, version, eventSeq });
  }

  private send(
    client: LiveClient,
    event: LiveEventName,
    json: string,
    place: LivePlace = client,
  ): void {
    this.frames += 1;
    client.write(new LiveChunk(frame(place, event, redactJson(json))));
  }

  private runnerFrames(place: LivePlace, entries: readonly LiveEntry[], moment: Moment): string {
    const { epoch, eventSeq } = place;
    this.makeItems(entries, moment);
    let text = "";
    for (const entry of entries) {
      const { version, runner } = entry;
      const item = this.items.get(entry);
      text +=
        item === undefined
          ? frame({ epoch, version, eventSeq }, "gone", JSON.stringify({ runner }))
          : frame({ epoch, version, eventSeq }, "runner", item);
    }
    this.frames += entries.length;
    return text;
  }

  /** Reads what is not at hand yet, all of it at once. */
  private makeItems(entries: readonly LiveEntry[], moment: Moment): void {
    if (this.items.size > MAX_ITEMS) this.items.clear();
    const missing = entries.filter((entry) => !entry.isGone && !this.items.has(entry));
    if (missing.length === 0) return;
    const names = missing.map(({ runner }) => runner);
    for (const [index, text] of this.options.texts.runners(names, moment).entries()) {
      const entry = missing[index];
      if (entry !== undefined) this.items.set(entry, text === undefined ? text : redactJson(text));
    }
  }

  private eventFrames(
    place: LivePlace,
    limit: number,
    wants: (runner: string) => boolean,
  ): { text: string; place: LivePlace } {
    const { epoch, version } = place;
    const events = this.options.texts.events(place.eventSeq, limit);
    const told = events.filter(({ seq }) => seq <= this.eventSeq);
    let text = "";
    for (const { seq, runner, text: json } of told) {
      if (!wants(runner)) continue;
      this.frames += 1;
      text += frame({ epoch, version, eventSeq: seq }, "event", redactJson(json));
    }
    const isAll = told.length < limit;
    const eventSeq = isAll ? this.eventSeq : (told.at(-1)?.seq ?? this.eventSeq);
    return { text, place: { epoch, version, eventSeq } };
  }

  private tellSummary(moment: Moment): void {
    const now = performance.now();
    if (now - this.summaryAt >= SUMMARY_EVERY_MS) {
      this.summaryAt = now;
      this.summary = this.options.texts.summary(moment);
    }
    const { text, same } = this.summary;
    for (const client of this.clients) {
      if (client.summary === same || !client.isReady || client.snapshot.length > 0) continue;
      client.summary = same;
      this.send(client, "summary", text);
    }
  }

  private keepAlive(): void {
    const now = performance.now();
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
