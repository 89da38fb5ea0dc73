/** Messages that could not be folded, as they stand on the QUARANTINE stream. */
import { REJECT_REASONS } from "./heartbeat.ts";
import type { JsonObject, Rejection, RejectReason } from "./heartbeat.ts";

/** Headers of a rejected message: where it came from and what is wrong with it. */
export const QUARANTINE_HEADERS = {
  reason: "Runbeat-Reason",
  /** What is wrong, for people; percent-encoded, so that any text is a legal header. */
  message: "Runbeat-Message",
  /** Percent-encoded. */
  subject: "Runbeat-Source-Subject",
  stream: "Runbeat-Source-Stream",
  streamCreated: "Runbeat-Source-Created",
  seq: "Runbeat-Source-Seq",
  /** RFC 3339. */
  time: "Runbeat-Source-Time",
  /** Of the message as it was; more than the payload where that had to be cut. */
  bytes: "Runbeat-Source-Bytes",
  /** The message's own headers as JSON, percent-encoded; absent where it had none. */
  headers: "Runbeat-Source-Headers",
} as const;

/** A message's headers: each name with its values. */
export type HeaderRecord = Readonly<Record<string, readonly string[]>>;

/** The subject's last word for records that say what became of a rejected message. */
export const RESOLVED_WORD = "resolved";

export interface Rejected {
  readonly kind: "rejected";
  readonly reason: RejectReason;
  readonly message: string;
  readonly subject: string;
  readonly sourceStream: string;
  readonly sourceCreated: string;
  readonly sourceSeq: number;
  readonly sourceTime: string;
  /** Length of the message as it was; more than the payload's where that had to be cut. */
  readonly bytes: number;
  readonly payload: Uint8Array;
  /** Headers that the message had. */
  readonly headers: HeaderRecord;
}

export interface Resolved {
  readonly kind: "resolved";
  /** Sequence in the QUARANTINE stream of the message that was dealt with. */
  readonly seq: number;
  readonly action: "retried" | "discarded";
  readonly by: string;
}

export type QuarantineMessage = Rejected | Resolved;

/** Where a rejected message came from. */
export interface RejectionSource {
  readonly subject: string;
  readonly stream: string;
  readonly streamCreated: string;
  readonly seq: number;
  /** Epoch ms. */
  readonly timeMs: number;
  readonly bytes: number;
  readonly headers?: HeaderRecord;
}

/** Longest explanation that goes into a header. */
const MAX_MESSAGE_CHARS = 500;

/** The headers with which a rejected message is put into quarantine. */
export function rejectionHeaders(
  rejection: Rejection,
  source: RejectionSource,
): Record<string, string> {
  return {
    [QUARANTINE_HEADERS.reason]: rejection.reason,
    [QUARANTINE_HEADERS.message]: encodeHeader(rejection.message.slice(0, MAX_MESSAGE_CHARS)),
    [QUARANTINE_HEADERS.subject]: encodeHeader(source.subject),
    [QUARANTINE_HEADERS.stream]: source.stream,
    [QUARANTINE_HEADERS.streamCreated]: source.streamCreated,
    [QUARANTINE_HEADERS.seq]: String(source.seq),
    [QUARANTINE_HEADERS.time]: new Date(source.timeMs).toISOString(),
    [QUARANTINE_HEADERS.bytes]: String(source.bytes),
    ...(source.headers === undefined
      ? {}
      : { [QUARANTINE_HEADERS.headers]: encodeHeader(JSON.stringify(source.headers)) }),
  };
}

function encodeHeader(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replaceAll("%20", " ");
}

function decodeHeader(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Reads a rejection back; undefined where the headers are not those of one. */
export function parseRejection(message: {
  readonly headers: { get(name: string): string } | undefined;
  readonly data: Uint8Array;
}): Rejected | undefined {
  const header = (name: string) => message.headers?.get(name) ?? "";
  const reason = header(QUARANTINE_HEADERS.reason) as RejectReason;
  const seq = Number(header(QUARANTINE_HEADERS.seq));
  if (!REJECT_REASONS.includes(reason) || !Number.isSafeInteger(seq)) return undefined;
  return {
    kind: "rejected",
    reason,
    message: decodeHeader(header(QUARANTINE_HEADERS.message)),
    subject: decodeHeader(header(QUARANTINE_HEADERS.subject)),
    sourceStream: header(QUARANTINE_HEADERS.stream),
    sourceCreated: header(QUARANTINE_HEADERS.streamCreated),
    sourceSeq: seq,
    sourceTime: header(QUARANTINE_HEADERS.time),
    bytes: Number(header(QUARANTINE_HEADERS.bytes)) || message.data.length,
    payload: message.data,
    headers: parseHeaders(decodeHeader(header(QUARANTINE_HEADERS.headers))),
  };
}

function parseHeaders(text: string): HeaderRecord {
  if (text === "") return {};
  try {
    return JSON.parse(text) as HeaderRecord;
  } catch {
    return {};
  }
}

/** The body of a record that says what became of a rejected message. */
export function resolutionBody(
  resolution: Omit<Resolved, "kind">,
  atMs: number,
  storedSeq?: number,
): JsonObject {
  const { seq, action, by } = resolution;
  const stored = storedSeq === undefined ? {} : { stored_seq: storedSeq };
  return { v: 1, at: new Date(atMs).toISOString(), by, seq, action, ...stored };
}

/** Reads what became of a rejected message: `{v, at, by, seq, action, stored_seq}`. */
export function parseResolution(data: Uint8Array): Resolved | undefined {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof body !== "object" || body === null) return undefined;
  const { seq, action, by } = body as JsonObject;
  if (!Number.isSafeInteger(seq) || (action !== "retried" && action !== "discarded")) {
    return undefined;
  }
  return {
    kind: "resolved",
    seq: seq as number,
    action,
    by: typeof by === "string" ? by : "unknown",
  };
}
