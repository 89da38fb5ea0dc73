import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../core/errors.ts";
import { openPullReader } from "./pull-reader.ts";
import type { PullReaderOptions } from "./pull-reader.ts";

/** A stream whose end is not reached in this time is not read to its end. */
const MAX_READ_MS = 60_000;

/**
 * Hands over everything that a stream holds now, in order.
 * @throws AppError `unavailable` when the server stops answering before the end, or it takes longer
 *   than a minute.
 */
export async function readToEnd(options: Omit<PullReaderOptions, "room" | "onEnd">): Promise<void> {
  const fail = (why: string): never => {
    throw new AppError("unavailable", `Stream ${options.stream} was not read to its end: ${why}`);
  };
  let reachEnd: (() => void) | undefined;
  const atEnd = new Promise<void>((resolve) => {
    reachEnd = resolve;
  });
  const reader = await openPullReader({
    ...options,
    room: () => Number.POSITIVE_INFINITY,
    onEnd: () => reachEnd?.(),
  });
  const timer = new AbortController();
  const tooLong = delay(MAX_READ_MS, undefined, { signal: timer.signal }).then(() =>
    fail(`it takes more than ${MAX_READ_MS} ms`),
  );
  try {
    await Promise.race([atEnd, reader.ended.then(fail), tooLong]);
  } finally {
    timer.abort();
    await reader.close();
  }
}
