/**
 * Reads a stream in order, never more than its owner has room for: it asks the server for so many
 * messages and no others are sent. Half as fast as the ordered reader, which can't be paused. A
 * reader is one attempt: at the first gap, silence or refusal it ends, and says why.
 */
import { setTimeout as delay } from "node:timers/promises";
import { AckPolicy, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import type { ConsumerConfig, JetStreamManager } from "@nats-io/jetstream";
import { createInbox, nanos, nuid } from "@nats-io/transport-node";
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { importOf } from "../core/imported-stream.ts";
import { deliveredTime } from "./message-time.ts";
import { isDelivery, parseDelivery, replyBytes, subjectText } from "./ordered-reader.ts";
import type { Delivery, Reader, ReaderStart, StreamMessage } from "./ordered-reader.ts";

/** Most messages of one request. */
const MAX_BATCH = 2_000;
/** Fewer than this are not worth a request: the owner gets more room, or has an answer coming. */
const MIN_BATCH = 1_000;
/** Messages asked for and not there yet: while one request is answered the next waits already. */
const MAX_AWAITED = 4_000;
/** Most bytes of one request's answer; a single message may be as large as the server takes. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** A request waits so long for messages at the server, then the next one does. */
const EXPIRES_MS = 30_000;
/** The server says that it lives at least this often when there is nothing to deliver. */
const IDLE_HEARTBEAT_MS = 1_000;
/** Silence for this long, while a request waits, means that the consumer is gone. */
const SILENCE_LIMIT_MS = 3_500;
/** Statuses of a pull request. */
const IDLE = 100;
const EXPIRED = 408;
const NO_RESPONDERS = 503;
/** A request that was served whole, or as far as its bytes allow; any other 409 ends the reader. */
const REQUEST_OVER = /batch completed|maxbytes/i;
/** The server removes the consumer of a reader that vanished after this time. */
const INACTIVE_THRESHOLD_MS = 30_000;

/** How long closing waits for the server to delete the consumer. */
const CLOSE_TIMEOUT_MS = 500;

export interface PullReaderOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly start: ReaderStart;
  readonly filterSubjects?: readonly string[];
  /** Leaves out the bodies, which can be large. */
  readonly headersOnly?: boolean;
  /** How many messages the owner has room for, those already asked for included. */
  readonly room: () => number;
  readonly onMessage: (message: PulledMessage) => void;
  /** Nothing is left to deliver: the reader is at the end of the stream. */
  readonly onEnd?: () => void;
  /** Prefix of the delivery subjects where permissions ask for one; `_INBOX` unless given. */
  readonly inboxPrefix?: string;
}

export interface PullReader extends Pick<Reader, "ended" | "close"> {
  /** Asks for more where there is room now; called when the owner has got some. */
  topUp(): void;
}

/** Opens a reader. @throws AppError `unavailable` when the server does not create its consumer. */
export async function openPullReader(options: PullReaderOptions): Promise<PullReader> {
  const run = new PullReaderRun(options);
  await run.open();
  return run;
}

/** A message whose headers are only decoded when they are asked for. */
export class PulledMessage implements StreamMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly seq: number;
  readonly timeMs: number;
  readonly pending: number;
  readonly #message: Msg;

  /** @param isImported whether its stream's messages carry the times of their origin. */
  constructor(message: Msg, delivery: Delivery, isImported: boolean) {
    this.subject = subjectText(message);
    this.data = message.data;
    this.seq = delivery.streamSeq;
    this.timeMs = isImported ? deliveredTime(message, delivery.timeMs) : delivery.timeMs;
    this.pending = delivery.pending;
    this.#message = message;
  }

  get headers(): Msg["headers"] {
    return this.#message.headers;
  }

  /**
   * Looks up a few headers without decoding all of them; with many messages that is most of the
   * work. Where a version of the client keeps no raw bytes, the decoded ones serve.
   */
  get headerLookup(): { get(name: string): string } | undefined {
    const { _msg, _rdata } = this.#message as Msg & RawHeaderParts;
    if (_msg?.hdr === undefined || _rdata === undefined) return this.#message.headers;
    return _msg.hdr > 0 ? new HeaderText(_rdata.subarray(0, _msg.hdr)) : undefined;
  }
}

interface RawHeaderParts {
  readonly _msg?: { readonly hdr?: number };
  readonly _rdata?: Uint8Array;
}

/** Headers as they stand on the wire. Source: NATS ADR-4. */
class HeaderText {
  readonly #text: string;

  constructor(bytes: Uint8Array) {
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  }

  get(name: string): string {
    const at = this.#text.indexOf(`\r\n${name}:`);
    if (at < 0) return "";
    const from = at + name.length + 3;
    return this.#text.slice(from, this.#text.indexOf("\r\n", from)).trim();
  }
}

function consumerConfig(options: PullReaderOptions): Partial<ConsumerConfig> {
  const { start, filterSubjects, headersOnly } = options;
  return {
    name: `runbeat_${nuid.next()}`,
    ...("fromSeq" in start
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, start.fromSeq) }
      : { deliver_policy: DeliverPolicy.LastPerSubject }),
    // The last message of each subject needs a filter to say which subjects.
    ...(filterSubjects !== undefined || "lastPerSubject" in start
      ? { filter_subjects: [...(filterSubjects ?? [">"])] }
      : {}),
    ...(headersOnly === true ? { headers_only: true } : {}),
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    inactive_threshold: nanos(INACTIVE_THRESHOLD_MS),
    mem_storage: true,
    num_replicas: 1,
  };
}

class PullReaderRun implements PullReader {
  readonly ended: Promise<string>;
  readonly #options: PullReaderOptions;
  readonly #inbox: string;
  /** Messages asked for and not delivered yet. */
  #awaited = 0;
  #isToppingUp = false;
  #subscription: Subscription | undefined;
  #consumer: string | undefined;
  #end: (reason: string) => void = () => undefined;
  #isEnded = false;
  #expectedSeq = 1;
  #lastHeardMs = performance.now();
  #heard = false;
  #timer: NodeJS.Timeout | undefined;
  #isImported = false;

  constructor(options: PullReaderOptions) {
    this.#options = options;
    this.#inbox = createInbox(options.inboxPrefix);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async open(): Promise<void> {
    const { nc, jsm, stream } = this.#options;
    this.#subscription = nc.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error !== null) this.#stop(messageOf(error));
        else this.#receive(message);
      },
    });
    void this.#subscription.closed.then(() => this.#stop("the connection was closed"));
    try {
      const { config } = await jsm.streams.info(stream);
      this.#isImported = importOf(config) !== undefined;
      const info = await jsm.consumers.add(stream, consumerConfig(this.#options));
      this.#consumer = info.name;
      if (info.num_pending === 0 && !this.#isEnded) this.#options.onEnd?.();
    } catch (error) {
      this.#stop("its consumer was not created");
      throw new AppError("unavailable", `Stream ${stream} can't be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
    this.#timer = setInterval(() => this.#checkSilence(), IDLE_HEARTBEAT_MS);
    this.#timer.unref();
    this.topUp();
  }

  /** Not at once: a busy stream would keep this process from everything else, its lease included. */
  topUp(): void {
    if (this.#isToppingUp) return;
    this.#isToppingUp = true;
    setImmediate(() => {
      this.#isToppingUp = false;
      this.#requestAll();
    });
  }

  #requestAll(): void {
    for (;;) {
      if (this.#isEnded || this.#consumer === undefined) return;
      const room = Math.min(MAX_AWAITED, this.#options.room()) - this.#awaited;
      if (room < MIN_BATCH) return;
      this.#request(this.#consumer, Math.min(MAX_BATCH, room));
    }
  }

  async close(): Promise<void> {
    this.#stop("it was closed");
    const { nc, jsm, stream } = this.#options;
    if (this.#consumer === undefined || nc.isClosed()) return;
    const consumer = this.#consumer;
    this.#consumer = undefined;
    // A consumer that can't be deleted soon goes by itself after its inactive threshold.
    const deleted = jsm.consumers.delete(stream, consumer).catch(() => undefined);
    await Promise.race([deleted, delay(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
  }

  #request(consumer: string, batch: number): void {
    const { nc, jsm, stream } = this.#options;
    this.#heard ||= this.#awaited === 0;
    this.#awaited += batch;
    const apiPrefix = jsm.getOptions().apiPrefix ?? "$JS.API";
    nc.publish(
      `${apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      JSON.stringify({
        batch,
        max_bytes: Math.max(MAX_BATCH_BYTES, 2 * (nc.info?.max_payload ?? 0)),
        expires: nanos(EXPIRES_MS),
        idle_heartbeat: nanos(IDLE_HEARTBEAT_MS),
      }),
      { reply: this.#inbox },
    );
  }

  #stop(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#timer);
    this.#subscription?.unsubscribe();
    this.#end(reason);
  }

  #checkSilence(): void {
    if (this.#heard || this.#awaited === 0) {
      this.#heard = false;
      this.#lastHeardMs = performance.now();
    } else if (performance.now() - this.#lastHeardMs > SILENCE_LIMIT_MS) {
      this.#stop(`nothing was heard from the server for ${SILENCE_LIMIT_MS} ms`);
    }
  }

  /** What is thrown in here must not reach the client: it would lose its place in the protocol. */
  #receive(message: Msg): void {
    if (this.#isEnded) return;
    this.#heard = true;
    try {
      const reply = replyBytes(message);
      if (reply !== undefined && isDelivery(reply)) this.#take(message, reply);
      else this.#control(message);
    } catch (error) {
      this.#stop(messageOf(error));
    }
  }

  #take(message: Msg, reply: Uint8Array): void {
    const delivery = parseDelivery(reply);
    if (delivery.consumerSeq !== this.#expectedSeq) {
      return this.#stop(`message ${this.#expectedSeq} of its consumer is missing`);
    }
    this.#expectedSeq += 1;
    this.#awaited -= 1;
    this.#options.onMessage(new PulledMessage(message, delivery, this.#isImported));
    if (delivery.pending === 0) this.#options.onEnd?.();
    if (this.#awaited <= MAX_AWAITED - MIN_BATCH) this.topUp();
  }

  /** What the server says of a request. Source: NATS ADR-13. */
  #control({ headers }: Msg): void {
    if (headers === undefined || headers.code === IDLE) return;
    const isOver = headers.code === EXPIRED || REQUEST_OVER.test(headers.description);
    if (headers.code === NO_RESPONDERS) return this.#stop("its consumer is gone");
    if (!isOver) return this.#stop(headers.description || `status ${headers.code}`);
    const undelivered = Number(headers.get("Nats-Pending-Messages"));
    this.#awaited = Math.max(0, this.#awaited - undelivered);
    this.topUp();
  }
}
