/** Reads the heartbeats of some runners for as long as it is asked to, through outages. */
import { setTimeout as delay } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { decodeHeartbeat } from "../lib/core/decode-heartbeat.ts";
import { messageOf } from "../lib/core/errors.ts";
import {
  heartbeatSubject,
  runnerOfTokens,
  streamName,
  subjectPrefix,
} from "../lib/core/subject.ts";
import type { Prefixes } from "../lib/core/subject.ts";
import type { RunnerId } from "../lib/core/runner-id.ts";
import type { BeatBook } from "../lib/enforcer/beat-book.ts";
import { openJetStream } from "../lib/nats/jetstream.ts";
import { openReader } from "../lib/nats/ordered-reader.ts";
import type { Reader } from "../lib/nats/ordered-reader.ts";
import type { Logger } from "./log.ts";

const RETRY_MS = 500;

export interface BeatReaderOptions {
  readonly nc: NatsConnection;
  readonly prefixes: Prefixes;
  readonly book: BeatBook;
  readonly runners: readonly RunnerId[];
  readonly log: Logger;
}

export interface BeatReader {
  /** Reads these from now on. */
  follow(runners: readonly RunnerId[]): void;
  close(): Promise<void>;
}

export function startBeatReader(options: BeatReaderOptions): BeatReader {
  const stopping = new AbortController();
  let wanted = options.runners;
  let reader: Reader | undefined;
  const readOn = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const asked = wanted;
        reader = await open(options, asked);
        // Nobody could close it while it was being opened.
        if (stopping.signal.aborted || asked !== wanted) await reader.close();
        else options.book.opened();
        options.log.debug(`heartbeats are no longer read: ${await reader.ended}`);
      } catch (error) {
        options.log.debug(`heartbeats can't be read: ${messageOf(error)}`);
      }
      options.book.ended();
      await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const reading = readOn();
  return {
    follow(runners) {
      if (runners.join() === wanted.join()) return;
      wanted = runners;
      void reader?.close("others are to be read");
    },
    async close() {
      stopping.abort();
      await reader?.close();
      await reading;
    },
  };
}

/** The newest heartbeat of each, then whatever comes. */
async function open(
  { nc, prefixes, book }: BeatReaderOptions,
  runners: readonly RunnerId[],
): Promise<Reader> {
  const prefix = subjectPrefix(prefixes, "heartbeats");
  return await openReader({
    nc,
    jsm: await openJetStream(nc),
    stream: streamName(prefixes, "heartbeats"),
    start: { lastPerSubject: true },
    filterSubjects: runners.map((runner) => heartbeatSubject(prefixes, runner)),
    onMessage: ({ subject, data, timeMs }) => {
      const runner = runnerOfTokens(subject.slice(prefix.length));
      const decoded = runner && decodeHeartbeat(runner, data);
      if (runner !== undefined && decoded?.ok === true)
        book.take(runner, timeMs, decoded.heartbeat);
      return true;
    },
    onEnd: () => book.atEnd(),
  });
}
