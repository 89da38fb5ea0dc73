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
const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 60_000;

export interface DeliveryOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly sink: Sink;
  readonly log: Pick<Logger, "warn" | "info" | "debug">;
  readonly retryMinMs?: number;
}

/** Delivers until the signal is given; it never rejects. */
export async function deliverUntil(options: DeliveryOptions, signal: AbortSignal): Promise<void> {
  const { log, sink, retryMinMs = RETRY_MIN_MS } = options;
  let waitMs = retryMinMs;
  while (!signal.aborted) {
    try {
      const consumer = await openConsumer(options);
      for (;;) {
        await deliverRound(options, consumer, signal);
        if (signal.aborted) return;
        if (waitMs > retryMinMs)
          log.info({ sink: sink.name }, `sink ${sink.name} takes alerts again`);
        waitMs = retryMinMs;
      }
    } catch (error) {
      if (signal.aborted) return;
      const fields = { sink: sink.name, again_in_ms: waitMs };
      log.warn(fields, `sink ${sink.name} did not take an alert: ${messageOf(error)}`);
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      waitMs = Math.min(waitMs * 2, RETRY_MAX_MS);
    }
  }
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
}: DeliveryOptions): Promise<Consumer> {
  const stream = streamName(prefixes, "alerts");
  const name = `sentinel-${sink.name}`;
  await jsm.consumers.add(stream, {
    durable_name: name,
    description: `Runbeat: alerts for the sink ${sink.name}`,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.New,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: MAX_ROUND,
    filter_subjects: alertSubjects(prefixes),
  });
  return await jetstream(nc).consumers.get(stream, name);
}

async function deliverRound(
  { sink }: DeliveryOptions,
  consumer: Consumer,
  signal: AbortSignal,
): Promise<void> {
  let waiting = (await gather(consumer, signal)).map((message) => ({
    message,
    alert: alertOf(message),
  }));
  const acknowledge = async (isDone: (id: string | undefined) => boolean): Promise<void> => {
    const done = waiting.filter(({ alert }) => isDone(alert?.id));
    waiting = waiting.filter(({ alert }) => !isDone(alert?.id));
    for (const { message } of done) await message.ackAck();
  };
  const alerts = waiting.flatMap(({ alert }) => alert ?? []);
  const wanted = alerts.filter(({ severity }) => isSevereEnough(severity, sink.minSeverity));
  try {
    for (const notice of noticesOf(wanted)) {
      await sink.deliver(notice, signal);
      // At once: what was taken is not to be told again because the next one fails.
      await acknowledge((id) => notice.alerts.some((alert) => alert.id === id));
    }
    await acknowledge(() => true);
  } catch (error) {
    // Soon again: whoever tries next finds them, with what came since.
    for (const { message } of waiting) message.nak(0);
    throw error;
  }
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

function alertOf({ subject, data }: JsMsg): Alert | undefined {
  const record = parseAlertRecord(subject.slice(subject.lastIndexOf(".") + 1), data);
  return record?.kind === "alert" ? record.alert : undefined;
}
