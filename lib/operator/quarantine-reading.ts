/** The quarantine as its stream holds it: what was rejected, and what became of it. */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { REJECT_REASONS } from "../core/heartbeat.ts";
import type { RejectReason } from "../core/heartbeat.ts";
import { RESOLVED_WORD, parseRejection, parseResolution } from "../core/quarantine.ts";
import type { Rejected, Resolved } from "../core/quarantine.ts";
import type { QuarantineState } from "../core/read-models.ts";
import { quarantineSubject, streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { clockOf } from "../core/imported-stream.ts";
import { readToEnd } from "../nats/read-to-end.ts";

export interface QuarantineContext {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
}

/** What became of a rejected message. */
export interface Resolution extends Resolved {
  /** When the stream stored it, epoch ms. */
  readonly timeMs: number;
}

export interface Resolutions {
  /** By the sequence of the rejected message. */
  readonly bySeq: ReadonlyMap<number, Resolution>;
  /** Sequence of the last record of this kind; 0 for none. */
  readonly lastSeq: number;
}

/** A rejected message without its body. */
export interface QuarantineEntry {
  /** In the quarantine. */
  readonly seq: number;
  /** When it was put there, epoch ms. */
  readonly timeMs: number;
  readonly rejected: Omit<Rejected, "payload" | "kind">;
  readonly state: QuarantineState;
  readonly resolution: Resolution | undefined;
}

/** The same with its body. */
export interface QuarantineItem extends QuarantineEntry {
  readonly payload: Uint8Array;
}

export interface QuarantineFilter {
  readonly reasons: readonly RejectReason[];
  /** Any state where it is empty. */
  readonly states: readonly QuarantineState[];
}

/** Reads what became of rejected messages; the first record about a message counts. */
export async function readResolutions(context: QuarantineContext): Promise<Resolutions> {
  const { nc, jsm, prefixes } = context;
  const bySeq = new Map<number, Resolution>();
  let lastSeq = 0;
  await readToEnd({
    nc,
    jsm,
    stream: streamName(prefixes, "quarantine"),
    start: { fromSeq: 1 },
    filterSubjects: [quarantineSubject(prefixes, RESOLVED_WORD)],
    onMessage: ({ data, seq, timeMs }) => {
      lastSeq = seq;
      const resolved = parseResolution(data);
      if (resolved === undefined || bySeq.has(resolved.seq)) return;
      bySeq.set(resolved.seq, { ...resolved, timeMs });
    },
  });
  return { bySeq, lastSeq };
}

/** Reads every rejected message that matches, oldest first, without bodies. */
export async function readQuarantine(
  context: QuarantineContext,
  filter: QuarantineFilter,
): Promise<QuarantineEntry[]> {
  const { nc, jsm, prefixes } = context;
  const { bySeq } = await readResolutions(context);
  const reasons = filter.reasons.length === 0 ? REJECT_REASONS : filter.reasons;
  const entries: QuarantineEntry[] = [];
  await readToEnd({
    nc,
    jsm,
    stream: streamName(prefixes, "quarantine"),
    start: { fromSeq: 1 },
    filterSubjects: reasons.map((reason) => quarantineSubject(prefixes, reason)),
    headersOnly: true,
    onMessage: (message) => {
      const rejected = parseRejection({ headers: message.headers, data: message.data });
      if (rejected === undefined) return;
      const { payload: _, kind: _kind, ...rest } = rejected;
      const entry = entryOf(message.seq, message.timeMs, rest, bySeq);
      if (filter.states.length === 0 || filter.states.includes(entry.state)) entries.push(entry);
    },
  });
  return entries;
}

function entryOf(
  seq: number,
  timeMs: number,
  rejected: QuarantineEntry["rejected"],
  resolutions: Resolutions["bySeq"],
): QuarantineEntry {
  const resolution = resolutions.get(seq);
  return { seq, timeMs, rejected, state: resolution?.action ?? "open", resolution };
}

/**
 * Reads one rejected message whole.
 * @throws AppError `not_found` where the quarantine holds none of that sequence.
 */
export async function readQuarantineItem(
  { jsm, prefixes }: QuarantineContext,
  seq: number,
  resolutions: Resolutions["bySeq"],
): Promise<QuarantineItem> {
  const stream = streamName(prefixes, "quarantine");
  const message = await jsm.streams.getMessage(stream, { seq });
  const rejected =
    message === null ? undefined : parseRejection({ headers: message.header, data: message.data });
  if (message === null || rejected === undefined) {
    throw new AppError(
      "not_found",
      `There is no rejected message ${seq} in the quarantine: see \`runbeat quarantine list --state all\``,
    );
  }
  const { payload, kind: _, ...rest } = rejected;
  const { config } = await jsm.streams.info(stream);
  const timeMs = clockOf(config)(message.time.getTime(), message.header);
  return { ...entryOf(seq, timeMs, rest, resolutions), payload };
}
