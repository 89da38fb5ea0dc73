/** The quarantine as an operator works with it: looked at, put back, discarded. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { decodeHeartbeat } from "../core/decode-heartbeat.ts";
import { AppError } from "../core/errors.ts";
import { decodeEvent } from "../core/event.ts";
import type { Rejection } from "../core/heartbeat.ts";
import {
  parseRejection,
  parseResolution,
  RESOLVED_WORD,
  resolutionBody,
} from "../core/quarantine.ts";
import type { Rejected, Resolved } from "../core/quarantine.ts";
import {
  eventOfTokens,
  quarantineSubject,
  runnerOfTokens,
  streamName,
  subjectPrefix,
} from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { openReader } from "../nats/ordered-reader.ts";

export type QuarantineState = "open" | "retried" | "discarded";

/** A rejected message without its payload. */
export interface QuarantineEntry {
  readonly seq: number;
  /** When it was rejected, epoch ms. */
  readonly time: number;
  readonly reason: string;
  readonly subject: string;
  readonly bytes: number;
  readonly message: string;
  state: QuarantineState;
  resolvedBy: string | null;
}

/** What to publish instead of the message as it was. */
export interface Fix {
  readonly payload?: Uint8Array;
  readonly subject?: string;
}

export interface QuarantineDesk {
  /** Every message that the stream still holds, oldest first. */
  list(): Promise<QuarantineEntry[]>;
  /** @throws AppError `not_found`. */
  read(seq: number): Promise<Rejected>;
  /**
   * Publishes a message again and says so in the stream. Returns its new sequence.
   * @throws AppError `invalid` where it would be rejected again: nothing has changed then.
   */
  retry(seq: number, fix: Fix): Promise<number>;
  discard(seq: number): Promise<void>;
}

/** @param by who resolves, e.g. `operator@edge-1`. */
export async function openQuarantine(
  nc: NatsConnection,
  prefixes: Prefixes,
  by: string,
): Promise<QuarantineDesk> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  return new Desk(nc, jsm, prefixes, by);
}

class Desk implements QuarantineDesk {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #prefixes: Prefixes;
  readonly #by: string;
  /** Read once, and kept in step with what this desk does: many are resolved in one go. */
  #known: Map<number, QuarantineEntry> | undefined;

  constructor(nc: NatsConnection, jsm: JetStreamManager, prefixes: Prefixes, by: string) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#prefixes = prefixes;
    this.#by = by;
  }

  async list(): Promise<QuarantineEntry[]> {
    const stream = streamName(this.#prefixes, "quarantine");
    const entries = new Map<number, QuarantineEntry>();
    const resolved = quarantineSubject(this.#prefixes, RESOLVED_WORD);
    const { state } = await this.#jsm.streams.info(stream);
    if (state.messages === 0) return [];
    const reader = await openReader({
      nc: this.#nc,
      jsm: this.#jsm,
      stream,
      start: { fromSeq: state.first_seq },
      onMessage: (message) => {
        if (message.subject === resolved) resolve(entries, parseResolution(message.data));
        else note(entries, message.seq, message.timeMs, parseRejection(message));
        return message.pending > 0;
      },
    });
    const why = await reader.ended;
    await reader.close();
    if (why !== "it was told to stop") {
      throw new AppError("unavailable", `The quarantine could not be read to its end: ${why}`);
    }
    return [...entries.values()];
  }

  async read(seq: number): Promise<Rejected> {
    const stream = streamName(this.#prefixes, "quarantine");
    const stored = await this.#jsm.streams.getMessage(stream, { seq }).catch(() => null);
    const rejected =
      stored === null ? undefined : parseRejection({ headers: stored.header, data: stored.data });
    if (rejected !== undefined) return rejected;
    throw new AppError(
      "not_found",
      `There is no message ${seq} in quarantine: see \`runbeat quarantine list\``,
    );
  }

  async retry(seq: number, fix: Fix): Promise<number> {
    const rejected = await this.#open(seq);
    const subject = fix.subject ?? rejected.subject;
    const payload = fix.payload ?? rejected.payload;
    const rejection = judge(this.#prefixes, subject, payload);
    if (rejection !== undefined) {
      throw new AppError(
        "invalid",
        `Message ${seq} would be rejected again (${rejection.reason}: ${rejection.message}): give a ` +
          "mended one with --file or --subject, or discard it",
      );
    }
    const js = jetstream(this.#nc);
    // Twice by mistake, or again after a lost answer: stored once.
    const msgID = `retry-${rejected.sourceCreated}-${seq}`;
    const ack = await js.publish(subject, payload, { msgID });
    await this.#resolve({ seq, action: "retried", by: this.#by }, ack.seq);
    return ack.seq;
  }

  async discard(seq: number): Promise<void> {
    await this.#open(seq);
    await this.#resolve({ seq, action: "discarded", by: this.#by });
  }

  /** @throws AppError `conflict` for a message that was dealt with already. */
  async #open(seq: number): Promise<Rejected> {
    const rejected = await this.read(seq);
    if (this.#known?.has(seq) !== true) {
      this.#known = new Map((await this.list()).map((known) => [known.seq, known]));
    }
    const entry = this.#known?.get(seq);
    if (entry?.state === "open") return rejected;
    throw new AppError(
      "conflict",
      `Message ${seq} was ${entry?.state ?? "dealt with"} already, by ${entry?.resolvedBy ?? "someone"}`,
    );
  }

  async #resolve(resolution: Omit<Resolved, "kind">, storedSeq?: number): Promise<void> {
    const body = JSON.stringify(resolutionBody(resolution, Date.now(), storedSeq));
    const subject = quarantineSubject(this.#prefixes, RESOLVED_WORD);
    await jetstream(this.#nc).publish(subject, body, { msgID: `resolved-${resolution.seq}` });
    if (this.#known !== undefined) resolve(this.#known, { kind: "resolved", ...resolution });
  }
}

function note(
  entries: Map<number, QuarantineEntry>,
  seq: number,
  time: number,
  rejected: Rejected | undefined,
): void {
  if (rejected === undefined) return;
  const { reason, subject, bytes, message } = rejected;
  const fresh = { state: "open", resolvedBy: null } as const;
  entries.set(seq, { seq, time, reason, subject, bytes, message, ...fresh });
}

function resolve(entries: Map<number, QuarantineEntry>, resolved: Resolved | undefined): void {
  const entry = resolved === undefined ? undefined : entries.get(resolved.seq);
  if (resolved === undefined || entry?.state !== "open") return;
  entry.state = resolved.action;
  entry.resolvedBy = resolved.by;
}

/** Why a message would be rejected on a subject; undefined where it can be folded. */
function judge(prefixes: Prefixes, subject: string, payload: Uint8Array): Rejection | undefined {
  const heartbeats = subjectPrefix(prefixes, "heartbeats");
  const events = subjectPrefix(prefixes, "events");
  if (subject.startsWith(heartbeats)) {
    const runner = runnerOfTokens(subject.slice(heartbeats.length));
    if (runner === undefined) return badSubject(subject, `${heartbeats}KIND.NAME.PROFILE`);
    const decoded = decodeHeartbeat(runner, payload);
    return decoded.ok ? undefined : decoded.rejection;
  }
  const event = subject.startsWith(events)
    ? eventOfTokens(subject.slice(events.length))
    : undefined;
  if (event === undefined) return badSubject(subject, `${heartbeats}KIND.NAME.PROFILE`);
  const decoded = decodeEvent(event.type, payload);
  return decoded.ok ? undefined : decoded.rejection;
}

function badSubject(subject: string, wanted: string): Rejection {
  return { reason: "bad_subject", message: `${JSON.stringify(subject)} is not like ${wanted}` };
}
