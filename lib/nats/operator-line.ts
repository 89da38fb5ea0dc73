/** What operators ask for, over NATS: orders to enforcers, and silences on the ALERTS stream. */
import { randomUUID } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { SILENCE_TYPE, silenceBody, UNSILENCE_TYPE, unsilenceBody } from "../core/alert.ts";
import { orderData } from "../core/decide-orders.ts";
import type { Order, OrderReply } from "../core/decide-orders.ts";
import { AppError, messageOf } from "../core/errors.ts";
import { eventBody } from "../core/event.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { Silence } from "../core/silence.ts";
import { eventSubject, orderSubject, subjectPrefix } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";

const ANSWER_MS = 5_000;
const ACK_MS = 2_000;

export interface OperatorLineOptions {
  readonly prefixes: Prefixes;
  /** Which component on which host passes it on. */
  readonly by: string;
}

/** What is done, for people, and by whom. */
export type OrderDone = Pick<Extract<OrderReply, { ok: true }>, "said" | "by">;

/** The connection stays its owner's. */
export class OperatorLine {
  readonly #nc: NatsConnection;
  readonly #options: OperatorLineOptions;

  constructor(nc: NatsConnection, options: OperatorLineOptions) {
    this.#nc = nc;
    this.#options = options;
  }

  /**
   * Has the enforcer that has the runner carry out an order. What no enforcer has can still be
   * retired.
   * @throws AppError `not_found` where no enforcer has it, `unavailable` where none answers in
   *   time, and as the enforcer refuses it.
   */
  async order(runner: RunnerId, order: Order): Promise<OrderDone> {
    const reply = await this.#ask(runner, order);
    if (reply === undefined) return await this.#withoutEnforcer(runner, order);
    if (reply.ok) return reply;
    throw new AppError(reply.code, reply.message);
  }

  /** @param atMs epoch ms. @throws AppError `unavailable`. */
  async setSilence(silence: Silence, atMs: number): Promise<void> {
    await this.#store(SILENCE_TYPE, silenceBody(silence, atMs), silence.id);
  }

  /** Ends one before its time. @param by who asked for it. @throws AppError `unavailable`. */
  async liftSilence(id: string, by: string, atMs: number): Promise<void> {
    await this.#store(UNSILENCE_TYPE, unsilenceBody(id, by, atMs), `${id} lifted`);
  }

  /** Undefined where nobody listens. */
  async #ask(runner: RunnerId, order: Order): Promise<OrderReply | undefined> {
    const subject = orderSubject(this.#options.prefixes, runner);
    try {
      const message = await this.#nc.request(subject, JSON.stringify(order), {
        timeout: ANSWER_MS,
      });
      return message.json<OrderReply>();
    } catch (error) {
      if (/no responders/i.test(messageOf(error))) return undefined;
      throw new AppError(
        "unavailable",
        `The enforcer of ${runner} has not answered within ${ANSWER_MS / 1000} s (${messageOf(error)}): ` +
          "the order may have been carried out, look with runbeat status",
      );
    }
  }

  async #withoutEnforcer(runner: RunnerId, order: Order): Promise<OrderDone> {
    if (order.order !== "retire") {
      throw new AppError(
        "not_found",
        `No enforcer that has ${runner} answers: is one running, on this NATS, with the runner in its fleet file?`,
      );
    }
    const { prefixes, by } = this.#options;
    const body = eventBody("runner_retired", by, Date.now(), orderData(order));
    await this.#publish(eventSubject(prefixes, runner, "runner_retired"), body, randomUUID());
    return { said: `${runner} is retired`, by: this.#options.by };
  }

  async #store(type: string, body: object, msgID: string): Promise<void> {
    const { prefixes } = this.#options;
    await this.#publish(`${subjectPrefix(prefixes, "alerts")}info.${type}`, body, msgID);
  }

  /** Tried once: whoever asked waits for the answer, and may ask again. */
  async #publish(subject: string, body: object, msgID: string): Promise<void> {
    try {
      const js = jetstream(this.#nc, { timeout: ACK_MS });
      await js.publish(subject, JSON.stringify(body), { msgID });
    } catch (error) {
      const why = messageOf(error);
      if (/sealed/.test(why)) {
        throw new AppError("conflict", "An export is open here: nothing can be added to it");
      }
      throw new AppError("unavailable", `It could not be stored: ${why}. Is runbeat up running?`);
    }
  }
}
