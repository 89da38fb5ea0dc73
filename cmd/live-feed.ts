/** Follows the API's live stream, and comes back to it after every interruption. */
import { setTimeout as delay } from "node:timers/promises";
import { AppError, messageOf } from "../lib/core/errors.ts";
import { EventStreamParser } from "../lib/terminal/event-stream.ts";
import { answerOf } from "./read-api.ts";

export interface LiveFeedOptions {
  /** The API's address without a path. */
  readonly url: string;
  readonly readKey: string | null;
  readonly signal: AbortSignal;
  /** A connection stands: the first part of a snapshot, or what was missed, comes next. */
  readonly onBegin: () => void;
  readonly onEvent: (event: string, data: unknown) => void;
  /** Anything came, were it only a sign of life. */
  readonly onHeard: () => void;
  /** The connection is gone, and why; it is tried again. */
  readonly onTrouble: (why: string) => void;
}

const PAUSES_MS = [250, 500, 1_000, 2_000, 5_000] as const;
/** The API sends a sign of life every 15 s. */
const SILENCE_MS = 25_000;

/**
 * Follows until the signal.
 * @throws AppError where trying again can't help: no good key, or an API without a live stream.
 */
export async function followLive(options: LiveFeedOptions): Promise<void> {
  const { signal } = options;
  let lastId = "";
  for (let attempt = 0; !signal.aborted;) {
    const before = lastId;
    try {
      await followOnce(options, lastId, (id) => {
        lastId = id;
        attempt = 0;
      });
      options.onTrouble("the API ended the connection");
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof AppError && error.code !== "unavailable") throw error;
      options.onTrouble(reasonOf(error));
    }
    const pause = PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)];
    if (lastId === before) attempt += 1;
    await delay(pause, undefined, { signal }).catch(() => undefined);
  }
}

async function followOnce(
  { url, readKey, signal, ...on }: LiveFeedOptions,
  lastId: string,
  onId: (id: string) => void,
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const response = await fetch(new URL("/api/v1/live", url), {
      headers: {
        accept: "text/event-stream",
        ...(readKey === null ? {} : { authorization: `Bearer ${readKey}` }),
        ...(lastId === "" ? {} : { "last-event-id": lastId }),
      },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || response.body === null || !type.startsWith("text/event-stream"))
      return await refused(url, response);
    on.onBegin();
    const parser = new EventStreamParser();
    const text = response.body.pipeThrough(new TextDecoderStream());
    for await (const chunk of text) {
      timer.refresh();
      on.onHeard();
      for (const { id, event, data } of parser.take(chunk)) {
        on.onEvent(event, JSON.parse(data));
        onId(id);
      }
    }
  } catch (error) {
    if (silence.signal.aborted) throw new AppError("unavailable", "the API has fallen silent");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** @throws AppError as for any other question. */
async function refused(url: string, response: Response): Promise<void> {
  if (response.status === 404) {
    await response.body?.cancel();
    throw new AppError("not_found", `The API at ${url} has no live stream`);
  }
  await answerOf(url, response);
  throw new AppError("unavailable", `What answers at ${url} does not tell what changes`);
}

/** undici hides why a connection failed in the cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code === undefined ? messageOf(error) : `no answer (${cause.code})`;
}
