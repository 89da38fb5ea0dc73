/**
 * The lines of an export: a manifest, one line a message, and a last line with counts and
 * checksums, without which the file is cut off.
 */
import { isUtf8 } from "node:buffer";
import { AppError } from "../core/errors.ts";
import { STREAM_KEYS } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { formatTime, parseTime } from "../core/time.ts";

/** Of the form of the file; a reader refuses one that it does not know. */
export const EXPORT_VERSION = 1;

/** The first line: what was asked for, and from where. */
export interface ExportManifest {
  readonly runbeat_export: number;
  /** Of the program that wrote it. */
  readonly version: string;
  /** RFC 3339, as all times here. */
  readonly created: string;
  /** Null: from the first message on. */
  readonly from: string | null;
  /** Up to when, inclusive: the moment at which an opened export stands. */
  readonly to: string;
  /** The one runner that was exported, null for all. */
  readonly runner: string | null;
  readonly redacted: boolean;
  readonly prefixes: Prefixes;
  readonly streams: Readonly<Partial<Record<StreamKey, ExportedStream>>>;
}

/** A stream as it was when the export began. */
export interface ExportedStream {
  readonly name: string;
  readonly created: string;
  /** First and last sequence in the range; the last is one before the first where there is none. */
  readonly first_seq: number;
  readonly last_seq: number;
}

/** What an export holds of one stream. */
export interface StreamSummary {
  readonly messages: number;
  readonly first_seq: number | null;
  readonly last_seq: number | null;
  readonly first_time: string | null;
  readonly last_time: string | null;
  /** Of the messages' bodies. */
  readonly bytes: number;
  /** Of the stream's lines, line ends included. */
  readonly sha256: string;
}

/** The last line. */
export interface ExportEnd {
  readonly end: true;
  readonly manifest_sha256: string;
  readonly streams: Readonly<Partial<Record<StreamKey, StreamSummary>>>;
}

/** Name and value; a name may come more than once. */
export type HeaderPair = readonly [name: string, value: string];

export interface ExportedMessage {
  readonly stream: StreamKey;
  readonly seq: number;
  /** When the stream stored it, epoch ms. */
  readonly timeMs: number;
  readonly subject: string;
  readonly headers: readonly HeaderPair[];
  readonly data: Uint8Array;
}

const DATA_MARK = ',"data":';
const NEWLINE = 10;

/** One message as a line, line end included. A JSON body stands in it byte for byte, and last. */
export function messageLine(message: ExportedMessage): string {
  const { stream, seq, timeMs, subject, headers, data } = message;
  const head = `{"stream":"${stream}","seq":${seq},"time":"${formatTime(timeMs)}","subject":${JSON.stringify(subject)}`;
  const pairs = headers.length === 0 ? "" : `,"headers":${JSON.stringify(headers)}`;
  return `${head}${pairs},${bodyText(data)}}\n`;
}

/** `"data":` JSON, `"text":` other text, `"base64":` what is no text. */
function bodyText(data: Uint8Array): string {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (!isUtf8(bytes)) return `"base64":"${bytes.toString("base64")}"`;
  const text = bytes.toString("utf8");
  return isJsonLine(text) ? `"data":${text}` : `"text":${JSON.stringify(text)}`;
}

function isJsonLine(text: string): boolean {
  if (text.includes("\n") || text.includes("\r")) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The stream of a message's line; undefined for any other line. */
export function streamOfLine(line: Buffer): StreamKey | undefined {
  return STREAM_KEYS.find((key) => startsWith(line, LINE_STARTS[key]));
}

const LINE_STARTS = Object.fromEntries(
  STREAM_KEYS.map((key) => [key, Buffer.from(`{"stream":"${key}","seq":`)]),
) as Record<StreamKey, Buffer>;

function startsWith(line: Buffer, start: Buffer): boolean {
  return line.length > start.length && line.compare(start, 0, start.length, 0, start.length) === 0;
}

interface LineHead {
  readonly stream: StreamKey;
  readonly seq: number;
  readonly time: string;
  readonly subject: string;
  readonly headers?: readonly HeaderPair[];
  readonly text?: string;
  readonly base64?: string;
}

/** Reads a line back. @param line with or without its end. @throws AppError `invalid`. */
export function parseMessageLine(line: Buffer): ExportedMessage {
  const at = line.indexOf(DATA_MARK);
  const end = line.at(-1) === NEWLINE ? line.length - 1 : line.length;
  const head = parseHead(at < 0 ? line.toString("utf8") : `${line.toString("utf8", 0, at)}}`);
  const timeMs = parseTime(head.time);
  if (timeMs === undefined || !Number.isSafeInteger(head.seq)) throw badLine(line);
  const data = at < 0 ? otherBody(head) : line.subarray(at + DATA_MARK.length, end - 1);
  const { stream, seq, subject, headers = [] } = head;
  return { stream, seq, timeMs, subject, headers, data };

  function parseHead(text: string): LineHead {
    try {
      return JSON.parse(text) as LineHead;
    } catch {
      throw badLine(line);
    }
  }
}

function otherBody({ text, base64 }: LineHead): Buffer {
  return base64 === undefined ? Buffer.from(text ?? "", "utf8") : Buffer.from(base64, "base64");
}

const SHOWN_CHARS = 60;

function badLine(line: Buffer): AppError {
  const shown = JSON.stringify(line.toString("utf8", 0, SHOWN_CHARS));
  return new AppError("invalid", `The export has a line that is no message: ${shown}`);
}
