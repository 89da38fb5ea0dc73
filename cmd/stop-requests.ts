/** Who wants `runbeat up` to end, and how quickly. */
import { readFileSync } from "node:fs";

/**
 * A second signal within this time is the first one again: ctrl-C under npm reaches us twice, once
 * from the terminal and once from npm.
 */
const SAME_REQUEST_MS = 1_000;
const PARENT_CHECK_MS = 500;

export interface StopRequests {
  /** Aborted by the first request. */
  readonly signal: AbortSignal;
  /** Resolves with the reason of the first request. */
  readonly stopped: Promise<string>;
  close(): void;
}

export interface StopOptions {
  /** Called for a second request: somebody does not want to wait. */
  readonly onHurry: () => void;
  /** Whether the death of the process that started us is a request too. */
  readonly withParent: boolean;
}

/** Listens for SIGINT, SIGTERM, SIGHUP and, where asked to, for the parent's death. */
export function listenForStops(options: StopOptions): StopRequests {
  const abort = new AbortController();
  let firstAt: number | undefined;
  const stopped = new Promise<string>((resolve) => {
    abort.signal.addEventListener("abort", () => resolve(String(abort.signal.reason)));
  });
  const request = (reason: string): void => {
    const now = performance.now();
    if (firstAt !== undefined && now - firstAt > SAME_REQUEST_MS) options.onHurry();
    if (firstAt !== undefined) return;
    firstAt = now;
    abort.abort(reason);
  };
  const signals = handledSignals();
  for (const signal of signals) process.on(signal, request);
  const watch = options.withParent ? watchParent(request) : undefined;
  return {
    signal: abort.signal,
    stopped,
    close: () => {
      for (const signal of signals) process.off(signal, request);
      clearInterval(watch);
    },
  };
}

function handledSignals(): NodeJS.Signals[] {
  const always: NodeJS.Signals[] = ["SIGINT", "SIGTERM"];
  return isHangupIgnored() ? always : [...always, "SIGHUP"];
}

/** Under nohup the terminal's end is none of our business. Source: proc(5), SigIgn; SIGHUP is 1. */
function isHangupIgnored(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & 1n) === 1n;
  } catch {
    return false;
  }
}

/** An orphan gets another parent. */
function watchParent(request: (reason: string) => void): NodeJS.Timeout {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== parent) request("the process that started it is gone");
  }, PARENT_CHECK_MS);
  return timer.unref();
}
