/** Orders of an operator for one runner: pause, restart, and the like. */
import { hostname } from "node:os";
import { z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { ORDER_SUMMARIES, ORDERS } from "../core/decide-orders.ts";
import { AppError } from "../core/errors.ts";
import type { Api } from "./api.ts";
import { addOperateRoute, MAX_WHO_CHARS, whyClosed } from "./operate-route.ts";
import type { Operation, Refused } from "./operate-route.ts";
import type { Answered } from "./repeated-requests.ts";
import { runnerOf, runnerParams } from "./runners.ts";
import { runnerNameSchema } from "./runner-item.ts";

const MAX_REASON_CHARS = 500;

export const whoSchema = z
  .string()
  .trim()
  .max(MAX_WHO_CHARS)
  .optional()
  .describe("Who asks for it, as they call themselves");

const orderBody = z
  .strictObject({
    order: z
      .enum(ORDERS)
      .describe(ORDERS.map((order) => `\`${order}\`: ${ORDER_SUMMARIES[order]}`).join("; ")),
    reason: z.string().trim().max(MAX_REASON_CHARS).optional().describe("Why, for its time line"),
    by: whoSchema,
  })
  .openapi("Order", { example: { order: "restart", reason: "new lens", by: "ada" } });

const doneSchema = z
  .object({
    ok: z.literal(true),
    runner: runnerNameSchema,
    order: z.enum(ORDERS),
    said: z.string().openapi({ example: "camera/front-door/hd is being restarted" }),
    by: z.string().describe("Who carries it out").openapi({ example: "enforcer@edge-1" }),
  })
  .openapi("OrderDone");

const standingSchema = z
  .object({
    accepted: z.boolean().describe("Whether orders and silences are taken here at present"),
    why_not: z.string().nullable().describe("What keeps them away, and what to do"),
    orders: z.array(z.object({ order: z.enum(ORDERS), about: z.string() })),
  })
  .openapi("OrderStanding");

export function addOrderRoutes(api: Api): void {
  api.router.add(
    {
      method: "get",
      path: "/api/v1/orders",
      tag: "Orders",
      summary: "Whether orders are taken here, and which",
      guard: "read",
      query: {},
      answers: { 200: { about: "How it stands", schema: standingSchema } },
      problems: [],
    },
    (c) => c.json(standing(api), 200, { "cache-control": "no-store" }),
  );
  addOperateRoute(
    api,
    {
      path: "/api/v1/runners/{kind}/{name}/{profile}/orders",
      tag: "Orders",
      summary: "Has a runner restarted, paused, …",
      about:
        "Passed on to the enforcer that has the runner, like `runbeat runner restart`; answered once " +
        "it has taken it. With an `Idempotency-Key`, a request that is sent again within 10 minutes " +
        "gets the same answer and orders nothing.",
      params: runnerParams,
      body: orderBody,
      answers: { 200: { about: "The enforcer has taken it", schema: doneSchema } },
      problems: ["unknown_runner", "no_enforcer"],
    },
    async (operation) => await give(api, operation),
  );
}

function standing(api: Api): z.input<typeof standingSchema> {
  const closed = whyClosed(api)?.detail;
  const why = closed ?? (api.keys.takesOrders ? undefined : api.keys.whyNoOrders);
  const orders = ORDERS.map((order) => ({ order, about: ORDER_SUMMARIES[order] }));
  return { accepted: why === undefined, why_not: why ?? null, orders };
}

/** `ada via api@edge-1`: nobody checks the name, so what passed it on is named as well. */
export function askedBy(who: string | undefined): string {
  const us = `api@${hostname()}`;
  return who === undefined || who === "" ? us : `${who} via ${us}`;
}

async function give(
  api: Api,
  { c, body, operator }: Operation<z.output<typeof orderBody>>,
): Promise<Answered | Refused> {
  const runner = runnerOf(c);
  const known = runner && api.models.runner(runner, api.monitor.moment()).view;
  if (runner === undefined || known === undefined) {
    return { refused: "unknown_runner", detail: noSuchRunner(c) };
  }
  const { order } = body;
  const reason = body.reason === "" ? undefined : body.reason;
  const who = askedBy(body.by);
  try {
    const { said, by } = await operator.order(runner, { order, reason, by: who });
    api.log.info({ runner, order, reason, asked_by: who }, `order ${order}: ${said}`);
    return { status: 200, body: { ok: true, runner, order, said, by } };
  } catch (error) {
    // That it can't be done to this runner is no fault of the request's form.
    if (!(error instanceof AppError)) throw error;
    if (error.code === "not_found") return { refused: "no_enforcer", detail: error.message };
    if (error.code === "invalid") return { refused: "conflict", detail: error.message };
    throw error;
  }
}

function noSuchRunner(c: Context): string {
  const { kind = "", name = "", profile = "" } = c.req.param();
  return `There is no runner ${kind}/${name}/${profile}: nothing was ever heard of it, and nobody declared it`;
}
