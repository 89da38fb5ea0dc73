/** Takes orders for the runners of this host over NATS, and answers each. */
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import { z } from "zod";
import { ORDERS } from "../lib/core/decide-orders.ts";
import type { Order, OrderReply } from "../lib/core/decide-orders.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { redact } from "../lib/core/redact.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { orderSubject } from "../lib/core/subject.ts";
import type { Prefixes } from "../lib/core/subject.ts";

const MAX_REASON_CHARS = 500;
const MAX_BY_CHARS = 200;

const orderSchema = z.object({
  order: z.enum(ORDERS),
  reason: z.string().max(MAX_REASON_CHARS).optional(),
  by: z.string().max(MAX_BY_CHARS).optional(),
});

export interface OrderDesk {
  /** Takes orders for these runners from now on, and for no others. */
  serve(runners: Iterable<RunnerId>): void;
  close(): void;
}

/** @param by who answers, e.g. `enforcer@edge-1`. */
export function openOrderDesk(
  nc: NatsConnection,
  prefixes: Prefixes,
  by: string,
  carryOut: (runner: RunnerId, order: Order) => string,
): OrderDesk {
  const served = new Map<RunnerId, Subscription>();
  const answer = (runner: RunnerId, message: Msg): void => {
    const reply = replyTo(message, (order) => ({ ok: true, said: carryOut(runner, order), by }));
    message.respond(JSON.stringify(reply));
  };
  const serve = (runners: Iterable<RunnerId>): void => {
    const wanted = new Set(runners);
    for (const [runner, subscription] of served) {
      if (wanted.has(runner)) continue;
      subscription.unsubscribe();
      served.delete(runner);
    }
    for (const runner of wanted) {
      if (served.has(runner)) continue;
      const callback = (error: Error | null, message: Msg): void => {
        if (error === null) answer(runner, message);
      };
      served.set(runner, nc.subscribe(orderSubject(prefixes, runner), { callback }));
    }
  };
  return { serve, close: () => serve([]) };
}

function replyTo(message: Msg, carryOut: (order: Order) => OrderReply): OrderReply {
  try {
    const { order, reason, by } = orderSchema.parse(message.json());
    const why = reason === undefined ? undefined : redact(reason);
    return carryOut({ order, reason: why, by });
  } catch (error) {
    if (error instanceof AppError) return { ok: false, code: error.code, message: error.message };
    return { ok: false, code: "invalid", message: `That is no order: ${messageOf(error)}` };
  }
}
