/**
 * Reads a stream in order, as fast as the client can: one ephemeral push consumer with flow
 * control, without acknowledgements. It is about twice as fast as the pull form. A reader is one
 * attempt: at the first gap, silence or lost connection it ends, and says why; its owner checks
 * the stream and opens the next one where it left off.
 */
import { setTimeout as delay } from "node:timers/promises";
import { AckPolicy, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import type { ConsumerConfig, JetStreamManager } from "@nats-io/jetstream";
import { createInbox, nanos, nuid } from "@nats-io/transport-node";
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { importOf } from "../core/imported-stream.ts";
import { deliveredTime } from "./message-time.ts";

/** The server says that it lives at least this often when there is nothing to deliver. */
const IDLE_HEARTBEAT_MS = 1_000;
/** Silence for this long means that the consumer is gone. */
const SILENCE_LIMIT_MS = 3_500;
/** The server removes the consumer of a reader that vanished after this time. */
const INACTIVE_THRESHOLD_MS = 30_000;

/** How long closing waits for the server to delete the consumer. */
const CLOSE_TIMEOUT_MS = 500;

/** One message as the reader hands it over. `data` is only valid during the call. */
export interface StreamMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly seq: number;
  /** When the stream stored it, epoch ms. */
  readonly timeMs: number;
  /** Messages of the stream still to be delivered after this one. */
  readonly pending: number;
  readonly headers: Msg["headers"];
}

export type ReaderStart = { readonly fromSeq: number } | { readonly lastPerSubject: true };

export interface ReaderOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly start: ReaderStart;
  readonly filterSubjects?: readonly string[];
  /** Called for each message in order, possibly before {@link openReader} returns; false ends the reader. */
  readonly onMessage: (message: StreamMessage) => boolean;
  /** Prefix of the delivery subject where permissions ask for one; `_INBOX` unless given. */
  readonly inboxPrefix?: string;
  /** Nothing is left to deliver: the reader is at the end of the stream. */
  readonly onEnd?: () => void;
}

export interface Reader {
  /** Messages that were waiting when the reader was opened. */
  readonly pendingAtStart: number;
  /** Resolves, with the reason, once the reader has ended; it never rejects. */
  readonly ended: Promise<string>;
  /** @param why what `ended` then says. */
  close(why?: string): Promise<void>;
}

/** What an ordered consumer's acknowledgement subject tells of a message. */
export interface Delivery {
  readonly streamSeq: number;
  readonly consumerSeq: number;
  readonly timeMs: number;
  readonly pending: number;
}

/**
 * Parses `$JS.ACK[.domain.account].stream.consumer.delivered.sseq.cseq.time.pending[.token]`.
 * Source: NATS ADR-15. The time is in nanoseconds; its last six digits are dropped. Read digit by
 * digit because it runs once a message.
 */
export function parseDelivery(reply: Uint8Array): Delivery {
  const end = reply.length;
  let dots = 0;
  for (let at = 0; at < end; at++) if (reply[at] === DOT) dots += 1;
  const first = dots === 8 ? 5 : 7;
  let at = 0;
  for (let passed = 0; passed < first && at < end; at++) if (reply[at] === DOT) passed += 1;
  const consumerAt = reply.indexOf(DOT, at) + 1;
  const timeAt = reply.indexOf(DOT, consumerAt) + 1;
  const pendingAt = reply.indexOf(DOT, timeAt) + 1;
  return {
    streamSeq: digits(reply, at, consumerAt - 1),
    consumerSeq: digits(reply, consumerAt, timeAt - 1),
    timeMs: digits(reply, timeAt, pendingAt - 1 - NANO_DIGITS),
    pending: digits(reply, pendingAt, end),
  };
}

const DOT = 46;
const DOLLAR = 36;
/** Nanoseconds within a millisecond, in digits. */
const NANO_DIGITS = 6;

function digits(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) {
    const code = bytes[at];
    if (code === undefined || code === DOT) break;
    value = value * 10 + (code - 48);
  }
  return value;
}

/**
 * What the client keeps of a message before anybody asks for text. Reading it spares two decoded
 * strings a message; where a version of the client has no such thing, the public fields serve.
 */
export interface RawParts {
  readonly _msg?: { readonly subject?: Uint8Array; readonly reply?: Uint8Array };
}

export function replyBytes(message: Msg & RawParts): Uint8Array | undefined {
  const raw = message._msg?.reply;
  if (raw !== undefined) return raw;
  return message.reply === undefined ? undefined : Buffer.from(message.reply);
}

export function subjectText(message: Msg & RawParts): string {
  const raw = message._msg?.subject;
  return Buffer.isBuffer(raw) ? raw.toString("utf8") : message.subject;
}

/** `$JS.ACK.…` is a message's; anything else comes with flow control. */
export function isDelivery(reply: Uint8Array): boolean {
  return reply[0] === DOLLAR && reply[4] === 65 && reply[5] === 67 && reply[6] === 75;
}

function consumerConfig(options: ReaderOptions, deliverSubject: string): Partial<ConsumerConfig> {
  const { start } = options;
  return {
    name: `runbeat_${nuid.next()}`,
    deliver_subject: deliverSubject,
    ...("fromSeq" in start
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, start.fromSeq) }
      : { deliver_policy: DeliverPolicy.LastPerSubject }),
    ...(options.filterSubjects === undefined
      ? // The last message of each subject needs a filter to say which subjects.
        "lastPerSubject" in start
        ? { filter_subject: ">" }
        : {}
      : { filter_subjects: [...options.filterSubjects] }),
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    max_deliver: 1,
    flow_control: true,
    idle_heartbeat: nanos(IDLE_HEARTBEAT_MS),
    inactive_threshold: nanos(INACTIVE_THRESHOLD_MS),
    mem_storage: true,
    num_replicas: 1,
  };
}

/** Opens a reader. @throws AppError `unavailable` when the server does not create its consumer. */
export async function openReader(options: ReaderOptions): Promise<Reader> {
  const run = new ReaderRun(options);
  await run.open();
  return run;
}

class ReaderRun implements Reader {
  readonly ended: Promise<string>;
  pendingAtStart = 0;
  readonly #options: ReaderOptions;
  readonly #deliverSubject: string;
  #subscription: Subscription | undefined;
  #consumer: string | undefined;
  #end: (reason: string) => void = () => undefined;
  #isEnded = false;
  #expectedSeq = 1;
  #lastHeardMs = performance.now();
  /** Since the last check; looking at a clock with every message would cost more than reading it. */
  #heard = false;
  #timer: NodeJS.Timeout | undefined;
  /** Whether its messages carry the times of their origin. */
  #isImported = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#deliverSubject = createInbox(options.inboxPrefix);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async open(): Promise<void> {
    const { nc, jsm, stream } = this.#options;
    this.#subscription = nc.subscribe(this.#deliverSubject, {
      callback: (error, message) => {
        if (error !== null) this.#stop(messageOf(error));
        else this.#receive(message);
      },
    });
    void this.#subscription.closed.then(() => this.#stop("the connection was closed"));
    try {
      // `jsm` may be of another connection: without the subscription the first messages were lost.
      await nc.flush();
      const { config } = await jsm.streams.info(stream);
      this.#isImported = importOf(config) !== undefined;
      const info = await jsm.consumers.add(
        stream,
        consumerConfig(this.#options, this.#deliverSubject),
      );
      this.#consumer = info.name;
      this.pendingAtStart = info.num_pending + info.delivered.consumer_seq;
    } catch (error) {
      this.#stop("its consumer was not created");
      throw new AppError("unavailable", `Stream ${stream} can't be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
    this.#lastHeardMs = performance.now();
    this.#timer = setInterval(() => this.#checkSilence(), IDLE_HEARTBEAT_MS);
    this.#timer.unref();
    if (this.pendingAtStart === 0 && !this.#isEnded) this.#options.onEnd?.();
  }

  async close(why = "it was closed"): Promise<void> {
    this.#stop(why);
    const { nc, jsm, stream } = this.#options;
    if (this.#consumer === undefined || nc.isClosed()) return;
    // A consumer that can't be deleted soon goes by itself after its inactive threshold.
    const deleted = jsm.consumers.delete(stream, this.#consumer).catch(() => undefined);
    await Promise.race([deleted, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
  }

  #stop(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#timer);
    this.#subscription?.unsubscribe();
    this.#end(reason);
  }

  #checkSilence(): void {
    if (this.#heard) {
      this.#heard = false;
      this.#lastHeardMs = performance.now();
    } else if (performance.now() - this.#lastHeardMs > SILENCE_LIMIT_MS) {
      this.#stop(`nothing was heard from the server for ${SILENCE_LIMIT_MS} ms`);
    }
  }

  /** What is thrown in here must not reach the client: it would lose its place in the protocol. */
  #receive(message: Msg): void {
    if (this.#isEnded) return;
    try {
      this.#take(message);
    } catch (error) {
      this.#stop(messageOf(error));
    }
  }

  #take(message: Msg): void {
    const reply = replyBytes(message);
    this.#heard = true;
    if (reply === undefined || !isDelivery(reply)) return this.#control(message);
    const delivery = parseDelivery(reply);
    if (delivery.consumerSeq !== this.#expectedSeq) {
      return this.#stop(`message ${this.#expectedSeq} of its consumer is missing`);
    }
    this.#expectedSeq += 1;
    const goesOn = this.#options.onMessage({
      subject: subjectText(message),
      data: message.data,
      seq: delivery.streamSeq,
      timeMs: this.#isImported ? deliveredTime(message, delivery.timeMs) : delivery.timeMs,
      pending: delivery.pending,
      headers: message.headers,
    });
    if (!goesOn) this.#stop("it was told to stop");
    else if (delivery.pending === 0) this.#options.onEnd?.();
  }

  /** Idle heartbeats and flow control. Source: NATS ADR-8 and ADR-15. */
  #control(message: Msg): void {
    const headers = message.headers;
    if (headers?.code !== 100) {
      if (headers !== undefined && headers.code >= 400) this.#stop(headers.description);
      return;
    }
    if (message.reply) {
      message.respond();
      return;
    }
    const stalled = headers.get("Nats-Consumer-Stalled");
    if (stalled !== "") this.#options.nc.publish(stalled);
    const lastDelivered = Number(headers.get("Nats-Last-Consumer"));
    if (lastDelivered !== this.#expectedSeq - 1) {
      this.#stop(`messages up to ${lastDelivered} of its consumer are missing`);
    } else if (stalled === "") this.#options.onEnd?.();
  }
}
