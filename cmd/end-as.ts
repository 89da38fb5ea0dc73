import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { ChildEnd } from "../lib/core/child-group.ts";

/** A signal that does not end us by then is ignored here, as under nohup or as process 1. */
const SIGNAL_MS = 200;

/** Ends this process, at once, the way a child ended: with its exit code, or by the same signal. */
export async function endAs({ code, signal }: ChildEnd): Promise<never> {
  if (signal === null) process.exit(code ?? 1);
  process.kill(process.pid, signal);
  await delay(SIGNAL_MS);
  // What shells say of a command that a signal ended: 128 and its number.
  return process.exit(128 + constants.signals[signal]);
}
