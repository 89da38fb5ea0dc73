/**
 * Publishes many messages at once and hears of each whether a stream stored it: one subscription
 * and no promise or timer per message. It never sends anything twice; at the first silence or
 * refusal its owner decides.
 */
import { createInbox } from "@nats-io/transport-node";
import type { Msg, MsgHdrs, NatsConnection, Subscription } from "@nats-io/transport-node";

/** A stream that has not answered for this long is not there. */
const ACK_TIMEOUT_MS = 5_000;
const CHECKS_PER_TIMEOUT = 5;
const NO_RESPONDERS = 503;

/** A stream's answer that it did not store a message. */
export interface Refusal {
  /** The server's error code, e.g. 10071; 0 where there is none. */
  readonly code: number;
  readonly text: string;
}

export interface PublishWindowOptions<Item> {
  readonly nc: NatsConnection;
  /** Called once for each item that is stored, with its sequence in the stream. */
  readonly onStored: (item: Item, seq: number) => void;
  /** Called where the stream answers that it did not store the item. */
  readonly onRefused: (item: Item, refusal: Refusal) => void;
  /** Called once, when an answer is overdue: whether that item is stored is unknown. */
  readonly onSilence: (why: string) => void;
  readonly ackTimeoutMs?: number;
  /** Prefix of the reply subjects where permissions ask for one; `_INBOX` unless given. */
  readonly inboxPrefix?: string;
}

interface Waiting<Item> {
  readonly item: Item;
  readonly sentAt: number;
}

export class PublishWindow<Item> {
  readonly #options: PublishWindowOptions<Item>;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  /** In the order of sending, so the first is the oldest. */
  readonly #waiting = new Map<string, Waiting<Item>>();
  #sent = 0;

  constructor(options: PublishWindowOptions<Item>) {
    this.#options = options;
    this.#inbox = `${createInbox(options.inboxPrefix)}.`;
    this.#subscription = options.nc.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#answer(message);
        else this.#options.onSilence(error.message);
      },
    });
    this.#timer = setInterval(() => this.#checkSilence(), this.#timeoutMs / CHECKS_PER_TIMEOUT);
    this.#timer.unref();
  }

  /** Items sent whose answer is awaited. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /** Sends one message; the caller bounds how many are in flight. */
  send(item: Item, subject: string, data: Uint8Array | string, headers: MsgHdrs): void {
    this.#sent += 1;
    const token = this.#sent.toString(36);
    this.#waiting.set(token, { item, sentAt: performance.now() });
    this.#options.nc.publish(subject, data, { headers, reply: this.#inbox + token });
  }

  /** Stops listening: items in flight are answered no more. */
  close(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
    this.#subscription.unsubscribe();
  }

  get #timeoutMs(): number {
    return this.#options.ackTimeoutMs ?? ACK_TIMEOUT_MS;
  }

  #answer(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const waiting = this.#waiting.get(token);
    if (waiting === undefined) return;
    this.#waiting.delete(token);
    const answer = readAnswer(message);
    if (typeof answer === "number") this.#options.onStored(waiting.item, answer);
    else this.#options.onRefused(waiting.item, answer);
  }

  #checkSilence(): void {
    const oldest = this.#waiting.values().next().value;
    if (oldest === undefined || performance.now() - oldest.sentAt < this.#timeoutMs) return;
    this.#options.onSilence(`a stream has not answered for ${this.#timeoutMs} ms`);
  }
}

/** The sequence that a message got, or why it got none. Source: NATS ADR-1, ADR-22. */
function readAnswer(message: Msg): number | Refusal {
  if (message.headers?.code === NO_RESPONDERS) {
    return { code: NO_RESPONDERS, text: "no stream takes the subject" };
  }
  const body = message.json<{
    seq?: number;
    error?: { err_code?: number; description?: string };
  }>();
  const { error, seq } = body;
  if (error !== undefined) return { code: error.err_code ?? 0, text: error.description ?? "" };
  return seq === undefined ? { code: 0, text: "its answer names no sequence" } : seq;
}
