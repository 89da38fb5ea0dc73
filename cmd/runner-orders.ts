/** Orders for one runner, to the enforcer that has it: `runbeat runner restart camera/door/hd`. */
import { hostname } from "node:os";
import type { NatsConnection } from "@nats-io/transport-node";
import { Command } from "commander";
import { ORDERS } from "../lib/core/decide-orders.ts";
import type { OrderKind } from "../lib/core/decide-orders.ts";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { parseRunnerId } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { connectNats } from "../lib/nats/connect.ts";
import { createEventPublisher } from "../lib/nats/event-publisher.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { natsOptions } from "./nats-options.ts";
import { orderSubject } from "./order-desk.ts";
import type { OrderReply } from "./order-desk.ts";
import { prefixesOf } from "./stream-options.ts";

const ANSWER_MS = 5_000;

const SUMMARIES: Record<OrderKind, string> = {
  restart: "end it and start it again at once, whatever its count of restarts is",
  stop: "end it and keep it ended",
  start: "start what was stopped",
  pause: "leave its process alone: no restarts",
  resume: "look after it again",
  reset: "forget its failures and end its cooldown",
  retire: "end it for good, and take it off the lists",
  reconnect: "have a camera try again at once",
};

interface Options {
  readonly reason?: string;
  readonly json?: true;
}

/** Adds `restart`, `stop`, … to `runbeat runner`. */
export function addRunnerOrders(runner: Command): Command {
  for (const order of ORDERS) runner.addCommand(orderCommand(order));
  return runner;
}

function orderCommand(order: OrderKind): Command {
  const summary = SUMMARIES[order];
  return new Command(order)
    .summary(summary)
    .description(`Has the enforcer that has the runner ${order} it: ${summary}.`)
    .argument("<id>", "kind/name/profile; a camera also as name/profile")
    .option("--reason <text>", "why, for the runner's time line")
    .option("--json", "the answer as JSON")
    .addHelpText("after", `\nExample:\n  $ runbeat runner ${order} camera/front-door/hd`)
    .action(async (id: string, options: Options, self: Command) => {
      const context = openContext(self);
      const runner = parseRunnerId(id.split("/").length === 2 ? `camera/${id}` : id);
      await give(context, runner, order, options);
    });
}

async function give(
  context: Context,
  runner: RunnerId,
  order: OrderKind,
  { reason, json }: Options,
): Promise<void> {
  const nc = await connectNats(natsOptions(context, `runbeat runner ${order}`));
  try {
    const asked = reason === undefined ? { order } : { order, reason };
    const reply = await ask(nc, context, runner, asked);
    const { said, by } = reply ?? (await withoutEnforcer(nc, context, runner, asked));
    const text =
      json === true ? JSON.stringify({ ok: true, runner, order, said, by }) : `${said} (${by})`;
    process.stdout.write(`${text}\n`);
  } finally {
    await nc.close();
  }
}

type Done = Pick<Extract<OrderReply, { ok: true }>, "said" | "by">;

interface Asked {
  readonly order: OrderKind;
  readonly reason?: string;
}

/** Undefined where no enforcer has the runner. @throws AppError as the enforcer answers. */
async function ask(
  nc: NatsConnection,
  context: Context,
  runner: RunnerId,
  asked: Asked,
): Promise<Done | undefined> {
  const subject = orderSubject(prefixesOf(context.settings), runner);
  let reply: OrderReply;
  try {
    const message = await nc.request(subject, JSON.stringify(asked), { timeout: ANSWER_MS });
    reply = message.json<OrderReply>();
  } catch (error) {
    if (/no responders/i.test(messageOf(error))) return undefined;
    throw new AppError(
      "unavailable",
      `The enforcer of ${runner} has not answered within ${ANSWER_MS / 1000} s (${messageOf(error)}): ` +
        "the order may have been carried out, look with runbeat status",
    );
  }
  if (reply.ok) return reply;
  throw new AppError(reply.code, reply.message);
}

/** What nobody runs can still be retired. @throws AppError `not_found` for other orders. */
async function withoutEnforcer(
  nc: NatsConnection,
  context: Context,
  runner: RunnerId,
  { order, reason }: Asked,
): Promise<Done> {
  if (order !== "retire") {
    throw new AppError(
      "not_found",
      `No enforcer that has ${runner} answers: is one running, on this NATS, with the runner in its fleet file?`,
    );
  }
  const by = `operator@${hostname()}`;
  const publisher = createEventPublisher(nc, {
    prefixes: prefixesOf(context.settings),
    by,
    log: context.log,
  });
  await publisher.publish(runner, "runner_retired", reason === undefined ? {} : { reason });
  await publisher.close();
  return { said: `${runner} is retired`, by };
}
