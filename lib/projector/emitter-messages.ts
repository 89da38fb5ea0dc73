/** The messages that the emitter publishes, and what it reads of them again when it starts. */
import { headers } from "@nats-io/transport-node";
import type { MsgHdrs } from "@nats-io/transport-node";
import { QUARANTINE_HEADERS, rejectionHeaders } from "../core/quarantine.ts";
import { SNAPSHOT_SEQ_HEADER, SNAPSHOT_TIME_HEADER } from "../core/snapshot.ts";
import { parseTime } from "../core/time.ts";
import type { SnapshotEntry } from "./emitter-snapshots.ts";
import type { RejectEntry } from "./emitter-rejects.ts";

const MESSAGE_ID = "Nats-Msg-Id";
const EXPECTED_LAST = "Nats-Expected-Last-Subject-Sequence";
/** The source's sequence up to which everything was stored when the message was published. */
const THROUGH_HEADER = "Runbeat-Stored-Through";

/** Longer headers of a rejected message are not kept: they must not crowd out its payload. */
const MAX_KEPT_HEADERS_BYTES = 8_192;

/** A stream that is judged. */
export interface SourceIdentity {
  readonly name: string;
  /** As the server writes it. */
  readonly created: string;
}

/**
 * One id for one judgement. The time is part of it because the sequences of a lost end of a stream
 * are used again for other messages.
 */
function messageId(kind: string, source: SourceIdentity, entry: { seq: number; timeMs: number }) {
  return `${kind}-${source.name}-${source.created}-${entry.seq}-${entry.timeMs}`;
}

export function snapshotHeaders(
  source: SourceIdentity,
  entry: SnapshotEntry,
  throughSeq: number,
): MsgHdrs {
  const header = headers();
  header.set(MESSAGE_ID, messageId("snap", source, entry));
  header.set(EXPECTED_LAST, String(entry.expectedSeq));
  header.set(SNAPSHOT_SEQ_HEADER, String(entry.seq));
  header.set(SNAPSHOT_TIME_HEADER, new Date(entry.timeMs).toISOString());
  header.set(QUARANTINE_HEADERS.stream, source.name);
  header.set(QUARANTINE_HEADERS.streamCreated, source.created);
  header.set(THROUGH_HEADER, String(throughSeq));
  return header;
}

export function rejectHeaders(
  source: SourceIdentity,
  entry: RejectEntry,
  throughSeq: number,
): MsgHdrs {
  const header = headers();
  header.set(MESSAGE_ID, messageId("reject", source, entry));
  const kept = keptHeaders(entry);
  const fields = rejectionHeaders(entry.rejection, {
    subject: entry.subject,
    stream: source.name,
    streamCreated: source.created,
    seq: entry.seq,
    timeMs: entry.timeMs,
    bytes: entry.payload.length,
    ...(kept === undefined ? {} : { headers: kept }),
  });
  for (const [name, value] of Object.entries(fields)) header.set(name, value);
  header.set(THROUGH_HEADER, String(throughSeq));
  return header;
}

function keptHeaders(entry: RejectEntry) {
  if (entry.headers === undefined) return undefined;
  return JSON.stringify(entry.headers).length > MAX_KEPT_HEADERS_BYTES ? undefined : entry.headers;
}

/** Bytes that headers take on the wire. Source: NATS ADR-4. */
export function headerBytes(header: MsgHdrs): number {
  let bytes = "NATS/1.0\r\n\r\n".length;
  for (const [name, values] of header) {
    for (const value of values) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 4;
  }
  return bytes;
}

/** What a published message says of the one that it follows from. */
export interface SourceReference {
  readonly stream: string;
  readonly created: string;
  readonly seq: number;
  readonly timeMs: number;
  /** Undefined where the message does not say. */
  readonly throughSeq: number | undefined;
}

/** Reads the reference back; undefined where the message carries none. */
export function sourceReference(
  header: { get(name: string): string } | undefined,
): SourceReference | undefined {
  if (header === undefined) return undefined;
  const seq = Number(header.get(QUARANTINE_HEADERS.seq));
  const timeMs = parseTime(header.get(QUARANTINE_HEADERS.time));
  if (!Number.isSafeInteger(seq) || seq < 1 || timeMs === undefined) return undefined;
  const through = header.get(THROUGH_HEADER);
  return {
    stream: header.get(QUARANTINE_HEADERS.stream),
    created: header.get(QUARANTINE_HEADERS.streamCreated),
    seq,
    timeMs,
    throughSeq: /^\d+$/.test(through) ? Number(through) : undefined,
  };
}
