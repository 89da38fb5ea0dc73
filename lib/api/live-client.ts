/** One client of the live stream: what it wants, how far it has come, and its socket. */
import type { ServerResponse } from "node:http";
import type { LiveEntry, LiveLog } from "./live-log.ts";
import { gzipHeader, gzipPiece } from "./live-frame.ts";

/** A client that takes nothing for so long is dropped. */
const STALL_MS = 15_000;

/** The same text for several clients: compressed once, if at all. */
export class LiveChunk {
  readonly text: string;
  private compressed: Buffer | undefined;

  constructor(text: string) {
    this.text = text;
  }

  gzip(): Buffer {
    this.compressed ??= gzipPiece(this.text);
    return this.compressed;
  }
}

export interface LiveWish {
  /** Of these kinds; any where empty. */
  readonly kinds: readonly string[];
  /** Only these runners; all where empty. */
  readonly runners: ReadonlySet<string>;
}

export class LiveClient {
  readonly wantsAll: boolean;
  /** Changes up to here were sent. */
  version = 0;
  /** Events up to here were sent. */
  eventSeq = 0;
  epoch = "";
  /** The summary that was sent last. */
  summary = "";
  /** Runners of the snapshot that were not sent yet. */
  snapshot: string[] = [];
  private readonly wish: LiveWish;
  private readonly out: ServerResponse;
  private readonly isGzip: boolean;
  private stalledSince: number | undefined;

  constructor(out: ServerResponse, wish: LiveWish, isGzip: boolean) {
    this.out = out;
    this.wish = wish;
    this.isGzip = isGzip;
    this.wantsAll = wish.kinds.length === 0 && wish.runners.size === 0;
    if (isGzip) out.write(gzipHeader());
  }

  /** The only ones it follows; none where it follows others by other marks. */
  get runners(): ReadonlySet<string> {
    return this.wish.runners;
  }

  wants(runner: string): boolean {
    const { kinds, runners } = this.wish;
    if (runners.size > 0 && !runners.has(runner)) return false;
    return kinds.length === 0 || kinds.includes(runner.slice(0, runner.indexOf("/")));
  }

  /** Whether its socket takes more at present. */
  get isReady(): boolean {
    return !this.out.writableNeedDrain;
  }

  /** Whether everything was sent that there is. */
  isAtHead(log: LiveLog, eventSeq: number): boolean {
    return this.snapshot.length === 0 && this.version === log.version && this.eventSeq === eventSeq;
  }

  write(chunk: LiveChunk): void {
    this.out.write(this.isGzip ? chunk.gzip() : chunk.text);
  }

  /** Whether it has taken nothing for too long. @param now of a clock that never jumps, ms. */
  hasStalled(now: number): boolean {
    if (this.isReady) this.stalledSince = undefined;
    else this.stalledSince ??= now;
    return this.stalledSince !== undefined && now - this.stalledSince > STALL_MS;
  }

  /** Those of the changes that it wants. */
  wanted(entries: readonly LiveEntry[]): readonly LiveEntry[] {
    return this.wantsAll ? entries : entries.filter(({ runner }) => this.wants(runner));
  }

  end(): void {
    this.out.end();
  }

  /** At once: what it has not taken is thrown away. */
  drop(): void {
    this.out.destroy();
  }
}
