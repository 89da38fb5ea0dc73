/** Finds a time at which nothing at all came: then it was not the runners that were silent. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { timeOfSeq } from "../nats/message-time.ts";
import { sequenceAt } from "../nats/stream-times.ts";

/** So many steps back at most; each gap that is longer than a step is found. */
const STEPS = 40;

export interface Gap {
  readonly from: number;
  readonly to: number;
}

export interface GapQuery {
  readonly stream: string;
  /** Epoch ms on the NATS server's clock. */
  readonly now: number;
  /** Shorter gaps are of no interest: a runner that is silent for so long is online. */
  readonly minMs: number;
  readonly lookBackMs: number;
}

/**
 * The last gap in a stream, so that whoever starts to watch after an outage, or after the whole
 * machine was off, does not blame the runners for it. Null where there was none.
 * @throws AppError `unavailable` where the stream can't be asked.
 */
export async function lastGap(jsm: JetStreamManager, query: GapQuery): Promise<Gap | null> {
  const { stream, now, minMs, lookBackMs } = query;
  const stepMs = Math.max(minMs, lookBackMs / STEPS);
  for (let at = now; at > now - lookBackMs; at -= stepMs) {
    const before = await sequenceAt(jsm, stream, at);
    if (before.time === 0) return null;
    const to = await timeAfter(jsm, stream, before.seq, before.lastSeq);
    const gap = { from: before.time, to: to ?? now };
    if (gap.to - gap.from > minMs) return gap;
  }
  return null;
}

async function timeAfter(
  jsm: JetStreamManager,
  stream: string,
  seq: number,
  lastSeq: number,
): Promise<number | undefined> {
  if (seq >= lastSeq) return undefined;
  const info = await jsm.streams.info(stream);
  return await timeOfSeq(jsm, info, seq + 1);
}
