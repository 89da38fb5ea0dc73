/** Threads beside a command's own, for work that would hold it up. */
import { Worker } from "node:worker_threads";
import type { ResourceLimits } from "node:worker_threads";

export interface SideThread {
  readonly worker: Worker;
  /** Whatever it ended by. */
  readonly exited: Promise<void>;
  /** Asks it to end, and ends it where it does not in time. */
  close(): Promise<void>;
}

/**
 * Starts one; it ends when it gets the message `close`.
 * @param workerData plain data, since it is another thread's.
 * @param closeMs how long whoever closes it waits.
 */
export function startSideThread(
  file: URL,
  workerData: object,
  closeMs: number,
  resourceLimits: ResourceLimits = {},
): SideThread {
  const worker = new Worker(file, { workerData, resourceLimits });
  const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  return {
    worker,
    exited,
    close: async () => {
      worker.postMessage("close", []);
      const timer = setTimeout(() => void worker.terminate(), closeMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Within a thread: waits until it is told to end. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
