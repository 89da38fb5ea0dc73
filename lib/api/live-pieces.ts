/** Makes what live clients are sent, each piece once, however many clients take it. */
import type { Moment } from "../core/read-models.ts";
import { redactJson } from "../core/redact.ts";
import { LiveChunk } from "./live-client.ts";
import { frame, placeText } from "./live-frame.ts";
import type { LiveEventName, LivePlace } from "./live-frame.ts";
import type { LiveEntry, LiveLog } from "./live-log.ts";
import { PART_RUNNERS } from "./live-snapshot.ts";
import type { LiveSnapshot } from "./live-snapshot.ts";
import type { LiveTexts } from "./live-texts.ts";

export const PART_EVENTS = 500;
/** Items that are kept at hand for the next client. */
const MAX_ITEMS = 4_000;
/** Pieces that are kept at hand: as many as there are places at which clients were left behind. */
const MAX_SHARED = 64;

/** What somebody lacks, or a part of it. */
export interface LivePiece {
  /** Undefined where nothing of it is wanted. */
  readonly chunk: LiveChunk | undefined;
  /** Where one is who has got it. */
  readonly version: number;
  readonly eventSeq: number;
}

/** Who is told. */
export interface LiveReader extends LivePlace {
  readonly wantsAll: boolean;
  /** The only ones it follows; none where it follows others by other marks. */
  readonly runners: ReadonlySet<string>;
  wants(runner: string): boolean;
}

export class LivePieces {
  /** Frames that were made, each for one client or for many. */
  frames = 0;
  private readonly texts: LiveTexts;
  private readonly log: LiveLog;
  /** Items of the newest changes by their version, for as long as they are the newest. */
  private items = new Map<number, string | undefined>();
  private shared = new Map<string, LivePiece>();

  constructor(texts: LiveTexts, log: LiveLog) {
    this.texts = texts;
    this.log = log;
  }

  /**
   * To be called when something has changed: what is at hand is not the newest any more. New maps,
   * since one that is cleared goes on being known to what it was before: once that is old garbage,
   * the collector keeps all that was ever in the map after it, until it collects the whole heap.
   */
  renew(): void {
    this.items = new Map();
    this.shared = new Map();
  }

  /**
   * What comes next for a client, up to the newest event and the newest change. Those who want all
   * share what they lack, from wherever they were left behind.
   */
  next(reader: LiveReader, newestEvent: number, moment: Moment): LivePiece {
    if (!reader.wantsAll) return this.make(reader, newestEvent, moment);
    const key = placeText(reader);
    const known = this.shared.get(key);
    if (known !== undefined) return known;
    if (this.shared.size >= MAX_SHARED) this.shared = new Map();
    const piece = this.make(reader, newestEvent, moment);
    this.shared.set(key, piece);
    return piece;
  }

  /** @param seq how far the heartbeats are that are told. */
  snapshotPart(snapshot: LiveSnapshot, index: number, moment: Moment, seq: number): LiveChunk {
    return snapshot.part(index, (runners, more) => {
      const items = this.texts.runners(runners, moment).filter((text) => text !== undefined);
      const asOf = this.texts.asOf(moment, seq);
      const json = `{"items":[${items.join(",")}],"more":${more},"as_of":${asOf}}`;
      // Whoever is cut off within a snapshot can't go on from there.
      const { place } = snapshot;
      const epoch = more ? place.epoch.replace(/\.\d+$/, ".0") : place.epoch;
      return this.chunk({ ...place, epoch }, "snapshot", json);
    });
  }

  chunk(place: LivePlace, event: LiveEventName, json: string): LiveChunk {
    this.frames += 1;
    return new LiveChunk(frame(place, event, redactJson(json)));
  }

  private make(reader: LiveReader, newestEvent: number, moment: Moment): LivePiece {
    const { epoch, version } = reader;
    const events = this.eventFrames(reader, newestEvent);
    const place = { epoch, version, eventSeq: events.eventSeq };
    // Events come first, and all of them.
    if (place.eventSeq < newestEvent) return { ...place, chunk: new LiveChunk(events.text) };
    const { entries, upTo } = this.entriesFor(reader);
    const wanted = reader.wantsAll ? entries : entries.filter(({ runner }) => reader.wants(runner));
    const text = events.text + this.runnerFrames(place, wanted, moment);
    const chunk = text === "" ? undefined : new LiveChunk(text);
    return { chunk, version: upTo, eventSeq: place.eventSeq };
  }

  /** Whoever follows a few runners looks those up: all changes are many more. */
  private entriesFor({ runners, version }: LiveReader): { entries: LiveEntry[]; upTo: number } {
    if (runners.size > 0)
      return { entries: this.log.ofRunners(runners, version), upTo: this.log.version };
    const entries = this.log.after(version, PART_RUNNERS);
    const last = entries.length < PART_RUNNERS ? undefined : entries.at(-1);
    return { entries, upTo: last?.version ?? this.log.version };
  }

  private runnerFrames(place: LivePlace, entries: readonly LiveEntry[], moment: Moment): string {
    const { epoch, eventSeq } = place;
    this.prepare(entries, moment);
    let text = "";
    for (const entry of entries) {
      const { version, runner } = entry;
      const item = this.items.get(version);
      text +=
        item === undefined
          ? frame({ epoch, version, eventSeq }, "gone", JSON.stringify({ runner }))
          : frame({ epoch, version, eventSeq }, "runner", item);
    }
    this.frames += entries.length;
    return text;
  }

  /** Reads what is not at hand yet, all of it at once. */
  prepare(entries: readonly LiveEntry[], moment: Moment): void {
    if (this.items.size > MAX_ITEMS) this.items = new Map();
    const missing = entries.filter((entry) => !entry.isGone && !this.items.has(entry.version));
    if (missing.length === 0) return;
    const names = missing.map(({ runner }) => runner);
    for (const [index, text] of this.texts.runners(names, moment).entries()) {
      const entry = missing[index];
      if (entry === undefined) continue;
      this.items.set(entry.version, text === undefined ? text : redactJson(text));
    }
  }

  private eventFrames(reader: LiveReader, newest: number): { text: string; eventSeq: number } {
    if (reader.eventSeq >= newest) return { text: "", eventSeq: reader.eventSeq };
    const { epoch, version } = reader;
    const events = this.texts.events(reader.eventSeq, PART_EVENTS);
    const told = events.filter(({ seq }) => seq <= newest);
    let text = "";
    for (const { seq, runner, text: json } of told) {
      if (!reader.wantsAll && !reader.wants(runner)) continue;
      this.frames += 1;
      text += frame({ epoch, version, eventSeq: seq }, "event", redactJson(json));
    }
    const isAll = told.length < PART_EVENTS;
    return { text, eventSeq: isAll ? newest : (told.at(-1)?.seq ?? newest) };
  }
}
