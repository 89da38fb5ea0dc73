/** Puts rejected messages back where they came from, or away, each once. */
import { JetStreamApiCodes, JetStreamApiError, jetstream } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import type { MsgHdrs } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { SOURCE_KEYS, judgeOf } from "../core/judge-message.ts";
import type { SourceKey } from "../core/judge-message.ts";
import { RESOLVED_WORD, resolutionBody } from "../core/quarantine.ts";
import type { Resolved } from "../core/quarantine.ts";
import { quarantineSubject, streamName, subjectPrefix } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { readQuarantineItem, readResolutions } from "./quarantine-reading.ts";
import type {
  QuarantineContext,
  QuarantineItem,
  Resolution,
  Resolutions,
} from "./quarantine-reading.ts";

/** Tries to write a record while others write records too. */
const MAX_ATTEMPTS = 20;

/** What the client takes for a header's name; others may have published other ones. */
const HEADER_NAME = /^[!-9;-~]+$/;

/** What is put back in place of the message as it was. */
export interface Mended {
  readonly payload?: Uint8Array;
  readonly subject?: string;
}

/** Where a message was put back. */
export interface PutBack {
  readonly stream: string;
  readonly subject: string;
  readonly seq: number;
}

export class QuarantineDesk {
  readonly #context: QuarantineContext;
  readonly #by: string;
  /** Goes into the ids of what is put back: sequences begin anew in a stream made anew. */
  readonly #created: string;
  #bySeq: Map<number, Resolution>;
  #lastSeq: number;

  /** @param by who resolves, e.g. `operator@edge-1`. */
  static async open(context: QuarantineContext, by: string): Promise<QuarantineDesk> {
    const { created } = await context.jsm.streams.info(streamName(context.prefixes, "quarantine"));
    return new QuarantineDesk(context, by, created, await readResolutions(context));
  }

  private constructor(
    context: QuarantineContext,
    by: string,
    created: string,
    resolutions: Resolutions,
  ) {
    this.#context = context;
    this.#by = by;
    this.#created = created;
    this.#bySeq = new Map(resolutions.bySeq);
    this.#lastSeq = resolutions.lastSeq;
  }

  /** @throws AppError `not_found`. */
  async read(seq: number): Promise<QuarantineItem> {
    return await readQuarantineItem(this.#context, seq, this.#bySeq);
  }

  /**
   * Publishes a rejected message again, as it was or mended, and records that.
   * @throws AppError `not_found`; `conflict` when it was dealt with already or would be rejected
   *   again, and `invalid` for a wrong subject, and then nothing has changed; `unavailable` when it
   *   was not stored.
   */
  async retry(seq: number, mended: Mended = {}): Promise<PutBack> {
    const item = await this.#readOpen(seq);
    const subject = mended.subject ?? item.rejected.subject;
    const payload = mended.payload ?? wholePayload(item);
    const source = checkedSource(this.#context.prefixes, seq, subject, payload);
    const putBack = await this.#publish(item, source, subject, payload);
    await this.#record({ seq, action: "retried", by: this.#by }, putBack.seq);
    return putBack;
  }

  /** Records that a rejected message is not wanted. @throws AppError as `retry`. */
  async discard(seq: number): Promise<void> {
    await this.#readOpen(seq);
    await this.#record({ seq, action: "discarded", by: this.#by });
  }

  async #readOpen(seq: number): Promise<QuarantineItem> {
    const item = await this.read(seq);
    if (item.resolution !== undefined) throw alreadyResolved(item.resolution);
    return item;
  }

  async #publish(
    item: QuarantineItem,
    source: SourceKey,
    subject: string,
    payload: Uint8Array,
  ): Promise<PutBack> {
    const { nc, prefixes } = this.#context;
    const stream = streamName(prefixes, source);
    try {
      // The id makes sure that what was put back just now, but not recorded, is not doubled.
      const ack = await jetstream(nc).publish(subject, payload, {
        msgID: `retry-${this.#created}-${item.seq}`,
        headers: ownHeaders(item),
        expect: { streamName: stream },
      });
      return { stream, subject, seq: ack.seq };
    } catch (error) {
      throw new AppError(
        "unavailable",
        `Message ${item.seq} was not put back, ${stream} did not take it: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /** Each record is written after the last one that we know, so that none is written twice. */
  async #record(resolved: Omit<Resolved, "kind">, storedSeq?: number): Promise<void> {
    const { nc, prefixes } = this.#context;
    const subject = quarantineSubject(prefixes, RESOLVED_WORD);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const body = JSON.stringify(resolutionBody(resolved, Date.now(), storedSeq));
      try {
        const { seq } = await jetstream(nc).publish(subject, body, {
          expect: { lastSubjectSequence: this.#lastSeq },
        });
        this.#lastSeq = seq;
        this.#bySeq.set(resolved.seq, { kind: "resolved", ...resolved, timeMs: Date.now() });
        return;
      } catch (error) {
        if (!isOvertaken(error)) throw error;
      }
      const now = await readResolutions(this.#context);
      this.#lastSeq = now.lastSeq;
      this.#bySeq = new Map(now.bySeq);
      const other = this.#bySeq.get(resolved.seq);
      if (other !== undefined) throw alreadyResolved(other);
    }
    throw new AppError(
      "conflict",
      `Message ${resolved.seq} is ${resolved.action}, but others write to the quarantine all the time, so that could not be recorded: run the command again`,
    );
  }
}

function alreadyResolved({ seq, action, by }: Resolved): AppError {
  return new AppError("conflict", `Message ${seq} was ${action} already, by ${by}`);
}

function wholePayload({ seq, payload, rejected }: QuarantineItem): Uint8Array {
  if (payload.length >= rejected.bytes) return payload;
  throw new AppError(
    "conflict",
    `Of message ${seq} only ${payload.length} of ${rejected.bytes} bytes were kept: give a mended one with --file`,
  );
}

/** Which stream the message belongs to, after a check that it is taken this time. */
function checkedSource(
  prefixes: Prefixes,
  seq: number,
  subject: string,
  payload: Uint8Array,
): SourceKey {
  const source = SOURCE_KEYS.find((key) => subject.startsWith(subjectPrefix(prefixes, key)));
  if (source === undefined) {
    const allowed = SOURCE_KEYS.map((key) => `${subjectPrefix(prefixes, key)}…`).join(" or ");
    throw new AppError(
      "invalid",
      `Message ${seq} can't be put back on ${JSON.stringify(subject)}: the subject must be ${allowed}`,
    );
  }
  const rejection = judgeOf(source, prefixes)({ subject, data: payload });
  if (rejection === undefined) return source;
  throw new AppError(
    "conflict",
    `Message ${seq} would be rejected again (${rejection.reason}): ${rejection.message}. ` +
      "Give a mended one with --file, or another subject with --subject",
  );
}

/** The headers that the message had, but for those that are orders to the server. */
function ownHeaders(item: QuarantineItem): MsgHdrs {
  const own = headers();
  for (const [name, values] of Object.entries(item.rejected.headers)) {
    if (/^nats-/i.test(name) || !HEADER_NAME.test(name)) continue;
    for (const value of values) own.append(name, value);
  }
  return own;
}

function isOvertaken(error: unknown): boolean {
  return (
    error instanceof JetStreamApiError &&
    (error.code === JetStreamApiCodes.StreamWrongLastSequence ||
      error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown)
  );
}
