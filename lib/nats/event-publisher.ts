/**
 * Publishes events so that none is lost and their order stays: one at a time, each until the
 * stream has acknowledged it, with a bounded buffer for outages.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import type { JetStreamClient } from "@nats-io/jetstream";
import { ClosedConnectionError, InvalidArgumentError } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { AppError, messageOf } from "../core/errors.ts";
import { eventBody } from "../core/event.ts";
import type { EventData, EventType } from "../core/event.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { eventSubject } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { isUnheard } from "./jetstream.ts";

/** At either bound the oldest event goes: how things are now matters more than how they were. */
const MAX_EVENTS = 10_000;
const MAX_BYTES = 16 * 2 ** 20;
/** Tried again with the same id after that, so an answer that comes late does no harm. */
const ACK_MS = 2_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
const CLOSE_MS = 2_000;

export interface EventPublisherOptions {
  readonly prefixes: Prefixes;
  /** Which component on which host, e.g. `enforcer@edge-1`. */
  readonly by: string;
  readonly log: Pick<Logger, "warn" | "error" | "info">;
}

export interface PublishOptions {
  /** `Nats-Msg-Id`: the same one twice is stored once. A new one unless given. */
  readonly msgId?: string;
  /** When it happened, epoch ms; now unless given. */
  readonly atMs?: number;
}

export interface EventPublisher {
  /**
   * Answers once the event is stored. Need not be awaited: order is kept, and a rejection that
   * nobody handles is only logged.
   * @throws AppError `unavailable` when it was dropped: the buffer was full, or closed first.
   */
  publish<T extends EventType>(
    runner: RunnerId,
    type: T,
    data: EventData<T>,
    options?: PublishOptions,
  ): Promise<void>;
  /** Waits until everything published so far is stored or dropped. */
  flush(): Promise<void>;
  /** Waits up to `waitMs` (2 s unless given) for what is left, then drops it. */
  close(waitMs?: number): Promise<void>;
}

/** The connection stays its owner's. */
export function createEventPublisher(
  nc: NatsConnection,
  options: EventPublisherOptions,
): EventPublisher {
  return new Publisher(nc, options);
}

interface Waiting {
  readonly subject: string;
  readonly body: Buffer;
  readonly msgId: string;
  readonly settle: (error?: AppError) => void;
}

class Publisher implements EventPublisher {
  readonly #nc: NatsConnection;
  readonly #js: JetStreamClient;
  readonly #options: EventPublisherOptions;
  readonly #closing = new AbortController();
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #worker: Promise<void> | undefined;
  #isFailing = false;

  constructor(nc: NatsConnection, options: EventPublisherOptions) {
    this.#nc = nc;
    this.#js = jetstream(nc, { timeout: ACK_MS });
    this.#options = options;
  }

  publish<T extends EventType>(
    runner: RunnerId,
    type: T,
    data: EventData<T>,
    { msgId = randomUUID(), atMs = Date.now() }: PublishOptions = {},
  ): Promise<void> {
    const stored = new Promise<void>((resolve, reject) => {
      const { prefixes, by } = this.#options;
      const body = Buffer.from(JSON.stringify(eventBody(type, by, atMs, data)));
      const settle = (error?: AppError) => (error === undefined ? resolve() : reject(error));
      this.#add({ subject: eventSubject(prefixes, runner, type), body, msgId, settle });
    });
    // Who does not wait for it must not be ended by it.
    stored.catch((error: unknown) => this.#options.log.error(messageOf(error)));
    return stored;
  }

  async flush(): Promise<void> {
    await this.#worker;
  }

  async close(waitMs = CLOSE_MS): Promise<void> {
    const timeout = AbortSignal.timeout(waitMs);
    timeout.addEventListener("abort", () => this.#closing.abort(), { once: true });
    await this.#worker;
    this.#closing.abort();
  }

  #add(event: Waiting): void {
    if (this.#closing.signal.aborted) {
      event.settle(new AppError("unavailable", `${event.subject} came after the end`));
      return;
    }
    this.#waiting.push(event);
    this.#bytes += event.body.length;
    const isFull = () => this.#waiting.length > MAX_EVENTS || this.#bytes > MAX_BYTES;
    while (isFull() && this.#waiting.length > 1) this.#dropOldest();
    this.#worker ??= this.#work();
  }

  /** The first may be on its way, so the second is the oldest that can still be dropped. */
  #dropOldest(): void {
    const [dropped] = this.#waiting.splice(1, 1);
    if (dropped !== undefined) this.#drop(dropped, "too many events wait for NATS");
  }

  #drop(event: Waiting, why: string): void {
    this.#bytes -= event.body.length;
    event.settle(new AppError("unavailable", `The event ${event.subject} is lost: ${why}`));
  }

  async #work(): Promise<void> {
    for (let event = this.#waiting[0]; event !== undefined; event = this.#waiting[0]) {
      const why = await this.#store(event);
      this.#waiting.splice(this.#waiting.indexOf(event), 1);
      if (why !== undefined) this.#drop(event, why);
      else {
        this.#bytes -= event.body.length;
        event.settle();
      }
    }
    this.#worker = undefined;
  }

  /** Tries until it is stored. @returns why it never will be, or undefined when it is. */
  async #store(event: Waiting): Promise<string | undefined> {
    for (let waitMs = RETRY_MIN_MS; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      const error = await this.#tryOnce(event);
      if (error === undefined) return this.#succeeded();
      const why = reasonOf(error);
      if (this.#nc.isClosed() || error instanceof ClosedConnectionError) return why;
      if (error instanceof InvalidArgumentError) return why;
      this.#failed(why);
      if (this.#closing.signal.aborted) return why;
      await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  async #tryOnce({ subject, body, msgId }: Waiting): Promise<unknown> {
    try {
      const stored = this.#js.publish(subject, body, { msgID: msgId, timeout: ACK_MS });
      await untilAborted(stored, this.#closing.signal);
      return undefined;
    } catch (error) {
      return error;
    }
  }

  #failed(why: string): void {
    if (!this.#isFailing) {
      this.#options.log.warn({ why }, "events can't be stored; they are kept and tried again");
    }
    this.#isFailing = true;
  }

  #succeeded(): undefined {
    if (this.#isFailing) this.#options.log.info("events are stored again");
    this.#isFailing = false;
  }
}

/** Nobody answers where no stream takes the subject; the library calls that something else. */
function reasonOf(error: unknown): string {
  return isUnheard(error)
    ? "no stream takes events: is runbeat up or its projector on this NATS?"
    : messageOf(error);
}

/** A publication can't be called back; it may still be stored, which its id makes harmless. */
async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  promise.catch(() => {});
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => reject(new AppError("unavailable", "there was no more time"));
    signal.addEventListener("abort", onAbort, { once: true });
    void promise
      .then(() => resolve(), reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}
