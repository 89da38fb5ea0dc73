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
} as const;

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
  readonly bytes: number;
  readonly payload: Uint8Array;
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
}

/** Longest explanation that goes into a header. */
const MAX_MESSAGE_CHARS = 500;

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
  };
}

/** Reads what became of a rejected message: `{v, at, by, seq, action}`. */
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
