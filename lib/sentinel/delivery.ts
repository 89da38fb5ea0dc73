/**
 * Hands alerts from the stream to one sink, at least once each. How far it has come is a durable
 * consumer on the server, so it outlives the sentinel; a sink that fails holds up no other.
 */
import { setTimeout as delay } from "node:timers/promises";
import { AckPolicy, DeliverPolicy, jetstream } from "@nats-io/jetstream";
import type { Consumer, JetStreamManager, JsMsg } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { parseAlertRecord } from "../core/alert.ts";
import type { Alert } from "../core/alert.ts";
import { messageOf } from "../core/errors.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { alertSubjects } from "./alert-stream.ts";
import { isSevereEnough, noticesOf } from "./notice.ts";
import type { Sink } from "./notice.ts";

/** What was handed out and not acknowledged by then is handed out again. */
const ACK_WAIT_MS = 20_000;
/** Messages put together into one round. */
const MAX_ROUND = 500;
const WAIT_MS = 5_000;
const GATHER_MS = 1_000;
/** Our acknowledgement is answered by then, or nobody knows of it. */
const ANSWER_MS = 2_000;
const MAX_REMEMBERED = 1_000;
const FETCH_AGAIN_MS = 1_000;
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 60_000;

export interface DeliveryOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly sink: Sink;
  readonly log: Pick<Logger, "warn" | "info" | "debug">;
  readonly memory: SinkMemory;
  readonly retryMinMs?: number;
  readonly ackWaitMs?: number;
}

/** What outlives a lost election: of one sink, for as long as the process lives. */
export interface SinkMemory {
  /**
   * The last messages that the sink has taken. The server may not know of it, where an outage of
   * NATS came between its answer and ours, or may have handed one out a second time before our
   * answer came: they must not be told again.
   */
  readonly taken: Set<string>;
  /** Alerts told, and tries that failed. */
  delivered: number;
  failed: number;
}

export function newSinkMemory(): SinkMemory {
  return { taken: new Set(), delivered: 0, failed: 0 };
}

/** Delivers until the signal is given; it never rejects. */
export async function deliverUntil(options: DeliveryOptions, signal: AbortSignal): Promise<void> {
  await new Delivery(options, signal).run();
}

class Delivery {
  readonly #options: DeliveryOptions;
  readonly #signal: AbortSignal;

  constructor(options: DeliveryOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        const consumer = await openConsumer(this.#options);
        while (!this.#signal.aborted) await this.#round(consumer);
      } catch (error) {
        if (this.#signal.aborted) return;
        // No fault of the sink's: it is not kept waiting for longer and longer.
        this.#options.log.debug(`alerts can't be fetched: ${messageOf(error)}`);
        await this.#pause(FETCH_AGAIN_MS);
      }
    }
  }

  async #round(consumer: Consumer): Promise<void> {
    const { log, sink, retryMinMs = RETRY_MIN_MS } = this.#options;
    for (let waitMs = retryMinMs; ; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      const failure = await this.#deliver(await gather(consumer, this.#signal));
      if (this.#signal.aborted) return;
      if (failure === undefined) {
        if (waitMs > retryMinMs)
          log.info({ sink: sink.name }, `sink ${sink.name} takes alerts again`);
        return;
      }
      this.#options.memory.failed += 1;
      const fields = { sink: sink.name, again_in_ms: waitMs };
      log.warn(fields, `sink ${sink.name} did not take an alert: ${messageOf(failure)}`);
      await this.#pause(waitMs);
    }
  }

  /** @returns why the sink did not take one. @throws where NATS did not take our answer. */
  async #deliver(messages: readonly JsMsg[]): Promise<unknown> {
    const { sink, memory } = this.#options;
    let waiting = messages.map((message) => ({ message, alert: alertOf(message) }));
    const acknowledge = async (isDone: (id: string | undefined) => boolean): Promise<void> => {
      const done = waiting.filter(({ alert }) => isDone(alert?.id));
      waiting = waiting.filter(({ alert }) => !isDone(alert?.id));
      for (const { alert } of done) this.#remember(alert);
      for (const { message } of done) await message.ackAck({ timeout: ANSWER_MS });
    };
    const fresh = waiting.flatMap(({ alert }) =>
      alert === undefined || memory.taken.has(nameOf(alert)) ? [] : [alert],
    );
    const wanted = fresh.filter(({ severity }) => isSevereEnough(severity, sink.minSeverity));
    for (const notice of noticesOf(wanted)) {
      try {
        await sink.deliver(notice, this.#signal);
      } catch (error) {
        // Soon again: whoever tries next finds them, with what came since.
        for (const { message } of waiting) message.nak(0);
        return error;
      }
      memory.delivered += notice.alerts.length;
      // At once: what was taken is not to be told again because the next one fails.
      await acknowledge((id) => notice.alerts.some((alert) => alert.id === id));
    }
    await acknowledge(() => true);
    return undefined;
  }

  #remember(alert: Alert | undefined): void {
    const { taken } = this.#options.memory;
    taken.add(nameOf(alert));
    for (const oldest of taken) {
      if (taken.size <= MAX_REMEMBERED) return;
      taken.delete(oldest);
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

/** Of the sink's position on the server. */
export function consumerName(sink: string): string {
  return `sentinel-${sink}`;
}

/**
 * Makes the sink's position on the server, unless it is there. A new sink begins with what comes
 * from now on: the past is no news.
 */
export async function openConsumer({
  nc,
  jsm,
  prefixes,
  sink,
  ackWaitMs = ACK_WAIT_MS,
}: Pick<DeliveryOptions, "nc" | "jsm" | "prefixes" | "sink" | "ackWaitMs">): Promise<Consumer> {
  const stream = streamName(prefixes, "alerts");
  const name = consumerName(sink.name);
  await jsm.consumers.add(stream, {
    durable_name: name,
    description: `Runbeat: alerts for the sink ${sink.name}`,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.New,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: MAX_ROUND,
    filter_subjects: alertSubjects(prefixes),
  });
  return await jetstream(nc).consumers.get(stream, name);
}

/** Waits for a message, then takes whatever else is there. */
async function gather(consumer: Consumer, signal: AbortSignal): Promise<JsMsg[]> {
  const first = await consumer.next({ expires: WAIT_MS });
  if (first === null || signal.aborted) {
    first?.nak(0);
    return [];
  }
  const messages = [first];
  const more = Math.min(first.info.pending, MAX_ROUND - 1);
  if (more === 0) return messages;
  const rest = await consumer.fetch({ max_messages: more, expires: GATHER_MS });
  for await (const message of rest) messages.push(message);
  return messages;
}

function nameOf(alert: Alert | undefined): string {
  return alert === undefined ? "" : `${alert.id} ${alert.revision}`;
}

function alertOf({ subject, data }: JsMsg): Alert | undefined {
  const record = parseAlertRecord(subject.slice(subject.lastIndexOf(".") + 1), data);
  return record?.kind === "alert" ? record.alert : undefined;
}
