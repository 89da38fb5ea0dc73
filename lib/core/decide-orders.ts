/** Orders of an operator: what they change in the memory; the next look does the rest. */
import type { Action, EventAction } from "./decide-action.ts";
import { newRunnerMemory } from "./decide-memory.ts";
import type { EnforcerMemory, RunnerMemory } from "./decide-memory.ts";
import type { ErrorCode } from "./errors.ts";
import type { FleetEntry } from "./fleet.ts";
import type { RunSeen } from "./observed.ts";

export const ORDERS = [
  "restart",
  "stop",
  "start",
  "pause",
  "resume",
  "reset",
  "retire",
  "reconnect",
] as const;
export type OrderKind = (typeof ORDERS)[number];

/** Why a process is asked to end after `stop`; whoever reads its events knows the order by it. */
export const STOPPED_BY_OPERATOR = "it was stopped by an operator";

/** Whether a reason, of a process's end or of a new count of restarts, is the order `stop`. */
export function isStopOrder(reason: unknown): reason is string {
  return typeof reason === "string" && reason.startsWith(STOPPED_BY_OPERATOR);
}

export interface Order {
  readonly order: OrderKind;
  /** Why, for the time line. */
  readonly reason: string | undefined;
  /** Who asked for it, as they say themselves. */
  readonly by?: string | undefined;
}

/** What each order does, for people. */
export const ORDER_SUMMARIES: Readonly<Record<OrderKind, string>> = {
  restart: "end it and start it again at once, whatever its count of restarts is",
  stop: "end it and keep it ended",
  start: "start what was stopped",
  pause: "leave its process alone: no restarts",
  resume: "look after it again",
  reset: "forget its failures and end its cooldown",
  retire: "end it for good, and take it off the lists",
  reconnect: "have a camera try again at once",
};

/** What an enforcer answers to an order. */
export type OrderReply =
  | { readonly ok: true; readonly said: string; readonly by: string }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

export interface OrderAnswer {
  readonly memory: EnforcerMemory;
  readonly actions: readonly EventAction[];
  /** What is done, for people. */
  readonly said: string;
}

/**
 * Its time is that of the last look, whose clock the memory is on: the next one may find that the
 * clock was set. `reconnect` changes nothing here: it is the driver's.
 */
export function applyOrder(
  before: EnforcerMemory,
  entry: FleetEntry,
  run: RunSeen,
  { order, reason, by }: Order,
): OrderAnswer {
  const { runner } = entry;
  const memory = { ...(before.runners[runner] ?? newRunnerMemory(entry.driver.kind)) };
  const { said, type } = change(memory, run, { order, reason }, before.at);
  let { serial } = before;
  const actions: EventAction[] = [];
  if (type !== undefined) {
    const msgId = `${before.id}:${serial++}:${runner}:${type}`;
    const data = orderData({ reason: order === "stop" ? stopReason(reason) : reason, by });
    actions.push({ kind: "event", runner, type, data, msgId });
  }
  const runners = { ...before.runners, [runner]: memory };
  return { memory: { ...before, serial, runners }, actions, said: `${runner} ${said}` };
}

/** A stop has no event of its own: its reason tells it from a reset. */
function stopReason(why: string | undefined): string {
  return why === undefined ? STOPPED_BY_OPERATOR : `${STOPPED_BY_OPERATOR}: ${why}`;
}

/** What the event of an order says of it. */
export function orderData({ reason, by }: Pick<Order, "reason" | "by">): OrderEventData {
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(by === undefined ? {} : { asked_by: by }),
  };
}

interface OrderEventData {
  readonly reason?: string;
  readonly asked_by?: string;
}

type OrderEvent = Extract<
  Action,
  { kind: "event" } & Record<
    "type",
    | "runner_paused"
    | "runner_resumed"
    | "runner_restart_requested"
    | "restart_reset"
    | "runner_retired"
  >
>["type"];

interface Changed {
  readonly said: string;
  readonly type?: OrderEvent;
}

function change(memory: RunnerMemory, run: RunSeen, order: Order, now: number): Changed {
  switch (order.order) {
    case "restart":
      return restart(memory, run, order.reason, now);
    case "start":
      return start(memory, run);
    case "stop":
      Object.assign(memory, { ...NEW_COUNT, wish: "stopped", plan: null, down: false });
      return {
        said: isAlive(run) ? "is being stopped and stays so" : "stays stopped",
        // Also where nothing runs any more: whoever watches must know that it is meant to be so.
        type: "restart_reset",
      };
    case "retire":
      Object.assign(memory, { wish: "retired", plan: null, down: false });
      return { said: "is retired", type: "runner_retired" };
    case "pause":
      memory.paused = true;
      return { said: "is left alone until it is resumed", type: "runner_paused" };
    case "resume":
      return resume(memory);
    case "reset":
      return reset(memory, run);
    case "reconnect":
      return { said: "is asked to connect again at once" };
  }
}

/** Needs no permission of lists, waits for nothing, and begins a new count. */
function restart(
  memory: RunnerMemory,
  run: RunSeen,
  why: string | undefined,
  now: number,
): Changed {
  const reason = why ?? "an operator asked for it";
  Object.assign(memory, { ...NEW_COUNT, wish: "run", down: false });
  memory.plan = { at: now, attempt: 0, reason, kind: "backoff", isOrder: true };
  expectEnd(memory, run, reason);
  return { said: "is being restarted", type: "runner_restart_requested" };
}

function start(memory: RunnerMemory, run: RunSeen): Changed {
  Object.assign(memory, { ...NEW_COUNT, wish: "run", plan: null, down: false });
  if (run.kind === "running") return { said: "runs already" };
  expectEnd(memory, run, "an operator starts it");
  return { said: memory.paused ? "starts when it is resumed: it is paused" : "is being started" };
}

/** Whatever ends now has not failed. A run that has ended has no `since`, and needs none. */
function expectEnd(memory: RunnerMemory, run: RunSeen, reason: string): void {
  memory.stop = { since: run.kind === "running" ? run.since : 0, reason };
}

function resume(memory: RunnerMemory): Changed {
  if (!memory.paused) return { said: "was not paused" };
  memory.paused = false;
  // What ended meanwhile is started at once; a restart that was denied stays denied.
  if (!memory.denied) memory.down = false;
  return { said: "is looked after again", type: "runner_resumed" };
}

/** Forgets failures; what waits for its next start gets it now. */
function reset(memory: RunnerMemory, run: RunSeen): Changed {
  const isWaiting = memory.plan !== null && !isAlive(run);
  Object.assign(memory, { ...NEW_COUNT, plan: null });
  const said = isWaiting ? "has a new count of restarts and is being started" : "has a new count";
  return { said, type: "restart_reset" };
}

const NEW_COUNT = { attempts: 0, denied: false, misses: 0, unproven: null } as const;

function isAlive(run: RunSeen): boolean {
  return run.kind === "running" || run.kind === "stopping";
}
