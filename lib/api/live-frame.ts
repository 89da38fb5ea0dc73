/** Server-sent events as bytes. Source: WHATWG HTML, section 9.2, "Server-sent events". */
import { constants, deflateRawSync } from "node:zlib";

export const LIVE_EVENTS = ["snapshot", "runner", "gone", "event", "summary", "reset"] as const;
export type LiveEventName = (typeof LIVE_EVENTS)[number];

/** How far a client has come. */
export interface LivePlace {
  /** Which hub counted, and since which new beginning. */
  readonly epoch: string;
  readonly version: number;
  /** Of the newest event that was told. */
  readonly eventSeq: number;
}

export function placeText({ epoch, version, eventSeq }: LivePlace): string {
  return `${epoch}-${version}-${eventSeq}`;
}

/** Undefined for what is no place of ours. */
export function parsePlace(text: string): LivePlace | undefined {
  const match = /^([a-z0-9]{1,32}\.\d{1,9})-(\d{1,15})-(\d{1,15})$/.exec(text);
  if (match === null) return undefined;
  const [, epoch = "", version, eventSeq] = match;
  return { epoch, version: Number(version), eventSeq: Number(eventSeq) };
}

/** @param json one line: JSON.stringify leaves no line break. */
export function frame(place: LivePlace, event: LiveEventName, json: string): string {
  return `id: ${placeText(place)}\nevent: ${event}\ndata: ${json}\n\n`;
}

/** A line that clients skip and connections are kept alive by. */
export const KEEP_ALIVE = ": keep-alive\n\n";

const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** What the stream of a client that takes gzip begins with. Source: RFC 1952, section 2.3. */
export function gzipHeader(): Buffer {
  return GZIP_HEADER;
}

/**
 * One piece of a gzip stream that depends on no piece before it: compressed once, it is sent to
 * any number of clients, whatever each has got so far. Source: zlib manual, Z_FULL_FLUSH.
 */
export function gzipPiece(text: Buffer): Buffer {
  return deflateRawSync(text, { level: 1, finishFlush: constants.Z_FULL_FLUSH });
}
