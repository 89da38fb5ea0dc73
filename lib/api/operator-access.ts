/** What the API wants of whoever passes on what operators ask for. */
import type { Order } from "../core/decide-orders.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { Silence } from "../core/silence.ts";

export interface OperatorAccess {
  /**
   * Has a runner's enforcer carry out an order; answers what is done, and by whom.
   * Rejects with AppError `not_found` where no enforcer has it, `unavailable` where none answers,
   * and as the enforcer refuses it.
   */
  order(runner: RunnerId, order: Order): Promise<{ readonly said: string; readonly by: string }>;
  /** Rejects with AppError `unavailable`. @param atMs epoch ms. */
  setSilence(silence: Silence, atMs: number): Promise<void>;
  /** Rejects with AppError `unavailable`. */
  liftSilence(id: string, by: string, atMs: number): Promise<void>;
}
