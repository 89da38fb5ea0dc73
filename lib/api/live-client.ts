/** One client of the live stream: what it wants, how far it has come, and its socket. */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { gzipHeader, gzipPiece } from "./live-frame.ts";
import type { LivePlace } from "./live-frame.ts";
import type { LiveSnapshot } from "./live-snapshot.ts";

/** A client that takes nothing for so long is dropped. */
const STALL_MS = 15_000;

/** The same text for several clients: encoded once, and compressed once, if at all. */
export class LiveChunk {
  readonly text: string;
  private encoded: Buffer | undefined;
  private compressed: Buffer | undefined;

  constructor(text: string) {
    this.text = text;
  }

  plain(): Buffer {
    this.encoded ??= Buffer.from(this.text);
    return this.encoded;
  }

  gzip(): Buffer {
    this.compressed ??= gzipPiece(this.plain());
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
  /**
   * It lacks something: all do but those who wait for nothing but the next change. A set of them
   * would be filled and emptied at every look, and each of its tables go into the old garbage.
   */
  isBehind = false;
  /** The summary that was sent last. */
  summary = "";
  /** What it begins with, until all of it was sent. */
  snapshot: LiveSnapshot | undefined;
  /** Parts of the snapshot that were sent. */
  partsSent = 0;
  private readonly wish: LiveWish;
  private readonly out: ServerResponse;
  private readonly socket: Socket;
  private readonly isGzip: boolean;
  private stalledSince: number | undefined;

  /**
   * @param out its head was sent, without a length and not in chunks: the body is what the socket
   * gets until it ends, so that a piece for many is one buffer and costs each one call.
   */
  constructor(out: ServerResponse, socket: Socket, wish: LiveWish, isGzip: boolean) {
    this.out = out;
    this.socket = socket;
    this.wish = wish;
    this.isGzip = isGzip;
    this.wantsAll = wish.kinds.length === 0 && wish.runners.size === 0;
    if (isGzip) socket.write(gzipHeader());
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
    return !this.socket.writableNeedDrain;
  }

  /** Goes on from there. */
  moveTo({ version, eventSeq }: Pick<LivePlace, "version" | "eventSeq">): void {
    this.version = version;
    this.eventSeq = eventSeq;
  }

  write(chunk: LiveChunk): void {
    this.socket.write(this.isGzip ? chunk.gzip() : chunk.plain());
  }

  /** Whether it has taken nothing for too long. @param now of a clock that never jumps, ms. */
  hasStalled(now: number): boolean {
    if (this.isReady) this.stalledSince = undefined;
    else this.stalledSince ??= now;
    return this.stalledSince !== undefined && now - this.stalledSince > STALL_MS;
  }

  end(): void {
    this.out.end();
  }

  /** At once: what it has not taken is thrown away. */
  drop(): void {
    this.out.destroy();
  }
}
