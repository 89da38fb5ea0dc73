/** Orders for one runner, to the enforcer that has it: `runbeat runner restart camera/door/hd`. */
import { Command } from "commander";
import { ORDER_SUMMARIES, ORDERS } from "../lib/core/decide-orders.ts";
import type { OrderKind } from "../lib/core/decide-orders.ts";
import { parseRunnerId } from "../lib/core/runner-id.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import { openContext } from "./context.ts";
import type { Context } from "./context.ts";
import { whoAmI, withOperatorLine } from "./operator.ts";

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
  const summary = ORDER_SUMMARIES[order];
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
  await withOperatorLine(context, `runbeat runner ${order}`, async (line) => {
    const { said, by } = await line.order(runner, { order, reason, by: whoAmI() });
    const text =
      json === true ? JSON.stringify({ ok: true, runner, order, said, by }) : `${said} (${by})`;
    process.stdout.write(`${text}\n`);
  });
}
