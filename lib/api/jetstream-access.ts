import { jetstream, JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamClient, JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import { millis } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { sentinelReportPlace } from "../core/sentinel-report.ts";
import { importOf } from "../core/imported-stream.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { eventSubject, heartbeatSubject, STREAM_KEYS, streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { newestHeartbeats } from "./newest-heartbeats.ts";
import type { ServerAnswer } from "./pipeline-monitor.ts";
import type { StreamState } from "./pipeline-watch.ts";
import type { StreamAccess } from "./stream-access.ts";

/** What is not answered by then is not answered in time for whoever waits. */
const TIMEOUT_MS = 2_000;
/** JetStream's code for a stream that does not exist. */
const STREAM_NOT_FOUND = 10_059;

interface Link {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

function unavailable(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError("unavailable", `NATS does not answer: ${messageOf(error)}`, { cause: error });
}

class JetStreamAccess implements StreamAccess {
  private readonly prefixes: Prefixes;
  private link: Link | undefined;
  private isUp = false;

  constructor(connecting: Promise<NatsConnection>, prefixes: Prefixes) {
    this.prefixes = prefixes;
    // Whoever connects says why it failed; here it only stays out of reach.
    connecting.then(async (nc) => await this.attach(nc)).catch(() => undefined);
  }

  isConnected(): boolean {
    return this.isUp;
  }

  async askServer(): Promise<ServerAnswer> {
    return await this.ask(async ({ jsm }) => {
      const names = STREAM_KEYS.map((key) => streamName(this.prefixes, key));
      const found = await Promise.all(names.map(async (name) => await infoOf(jsm, name)));
      const infos = found.filter((info) => info !== undefined);
      const times = infos.map((info) => Date.parse(info.ts ?? "")).filter(Number.isFinite);
      if (times.length === 0) throw new AppError("unavailable", "NATS has none of the streams yet");
      const streams = infos.map(stateOf);
      const ends = infos.flatMap(({ config }) => importOf(config)?.endMs ?? []);
      if (ends.length > 0) return { serverMs: Math.max(...ends), isStill: true, streams };
      return { serverMs: Math.max(...times), streams };
    });
  }

  async heartbeats(query: Parameters<StreamAccess["heartbeats"]>[0]) {
    const stream = streamName(this.prefixes, "heartbeats");
    const subject = heartbeatSubject(this.prefixes, query.runner);
    return await this.ask(
      async ({ jsm }) => await newestHeartbeats(jsm, { stream, subject, ...query }),
    );
  }

  async publishHeartbeat(runner: RunnerId, data: Uint8Array): Promise<number> {
    const subject = heartbeatSubject(this.prefixes, runner);
    return await this.ask(async ({ js }) => {
      const { seq } = await js.publish(subject, data, { timeout: TIMEOUT_MS });
      return seq;
    });
  }

  async publishEvent(runner: RunnerId, type: string, body: object, id: string): Promise<number> {
    const subject = eventSubject(this.prefixes, runner, type);
    return await this.ask(async ({ js }) => {
      const data = JSON.stringify(body);
      const { seq } = await js.publish(subject, data, { msgID: id, timeout: TIMEOUT_MS });
      return seq;
    });
  }

  async hasEvent(runner: RunnerId, type: string): Promise<boolean> {
    const stream = streamName(this.prefixes, "events");
    const subject = eventSubject(this.prefixes, runner, type);
    return await this.ask(async ({ jsm }) => {
      const message = await jsm.direct.getMessage(stream, { last_by_subj: subject });
      return message !== null;
    });
  }

  async sentinelReport(): Promise<string | null> {
    const { stream, subject } = sentinelReportPlace(this.prefixes);
    return await this.ask(async ({ jsm }) => {
      const message = await jsm.direct.getMessage(stream, { last_by_subj: subject });
      // What has expired leaves a marker without a body.
      return message === null || message.data.length === 0 ? null : message.string();
    });
  }

  /** Without a connection it fails at once: what is asked then would only lie in a buffer. */
  private async ask<T>(work: (link: Link) => Promise<T>): Promise<T> {
    if (this.link === undefined || !this.isUp) {
      throw new AppError(
        "unavailable",
        "NATS is out of reach: nothing can be stored or read there",
      );
    }
    try {
      return await work(this.link);
    } catch (error) {
      throw unavailable(error);
    }
  }

  private async attach(nc: NatsConnection): Promise<void> {
    const jsm = await jetstreamManager(nc, { checkAPI: false, timeout: TIMEOUT_MS });
    this.link = { nc, jsm, js: jetstream(nc, { timeout: TIMEOUT_MS }) };
    this.isUp = true;
    for await (const { type } of nc.status()) {
      if (type === "disconnect" || type === "staleConnection") this.isUp = false;
      if (type === "reconnect") this.isUp = true;
    }
    this.isUp = false;
  }
}

async function infoOf(jsm: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

function stateOf({ config, created, state }: StreamInfo): StreamState {
  const isEmpty = state.messages === 0;
  return {
    stream: config.name,
    created,
    lastSeq: state.last_seq,
    holds: {
      messages: state.messages,
      bytes: state.bytes,
      firstSeq: state.first_seq,
      firstTime: isEmpty ? null : Date.parse(state.first_ts),
      lastTime: isEmpty ? null : Date.parse(state.last_ts),
      maxAgeSec: config.max_age > 0 ? millis(config.max_age) / 1_000 : null,
      maxBytes: limitOf(config.max_bytes),
      maxMessages: limitOf(config.max_msgs),
    },
  };
}

/** -1 is how the server writes "no limit". */
function limitOf(value: number): number | null {
  return value > 0 ? value : null;
}

/** Works with a connection as soon as there is one. */
export function openStreamAccess(
  connecting: Promise<NatsConnection>,
  prefixes: Prefixes,
): StreamAccess {
  return new JetStreamAccess(connecting, prefixes);
}
