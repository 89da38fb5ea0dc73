/**
 * Publishes what was read from streams again somewhere else, for a test system: on the same
 * subjects under another prefix, or on another NATS. Never where the source would store it again.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { createInbox, headers as newHeaders } from "@nats-io/transport-node";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { AppError, messageOf } from "../core/errors.ts";
import { subjectPrefix } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { PublishWindow } from "../nats/publish-window.ts";
import type { MergedMessage } from "./stream-feed.ts";

/** Where and when a message was, before it was published again. */
export const REPLAY_HEADERS = {
  stream: "Runbeat-Replay-Stream",
  seq: "Runbeat-Replay-Seq",
  /** RFC 3339. */
  time: "Runbeat-Replay-Time",
} as const;

/** Stored messages whose answer is awaited. */
const MAX_IN_FLIGHT = 1_000;
/** Where no stream takes them, the server is waited for after so many. */
const FLUSH_EVERY = 1_000;
/** A server that is connected with another one passes a message on in this time. */
const PROBE_MS = 500;
/** What the server itself understands would be obeyed again: a wrong sequence, a duplicate. */
const SERVER_HEADER = /^nats-/i;

export interface RepublishOptions {
  readonly source: NatsConnection;
  readonly sourcePrefixes: Prefixes;
  readonly target: NatsConnection;
  readonly targetPrefix: string;
  readonly streams: readonly StreamKey[];
}

export interface Republished {
  readonly published: number;
  /** How many of them a stream there has stored. */
  readonly stored: number;
}

/**
 * @throws AppError `invalid` for a prefix that is none, `conflict` where the source's own streams
 *   would take the messages.
 */
export async function openRepublisher(options: RepublishOptions): Promise<Republisher> {
  checkPrefix(options.targetPrefix);
  if (overlaps(options.sourcePrefixes.subject, options.targetPrefix)) {
    const isSame = options.source === options.target || (await reaches(options));
    if (isSame) throw ownSubjects(options);
  }
  const stored = new Set<StreamKey>();
  for (const key of options.streams) if (await isStored(options, key)) stored.add(key);
  return new Republisher(options, stored);
}

/** @throws AppError `invalid` for what can't begin a subject. */
export function checkPrefix(prefix: string): void {
  if (/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(prefix)) return;
  throw new AppError(
    "invalid",
    `--to-subject-prefix: "${prefix}" can't begin a subject: use words of A-Z a-z 0-9 _ -, with dots between`,
  );
}

/** Whether subjects under one prefix may be subjects under the other. */
function overlaps(source: string, target: string): boolean {
  return `${target}.`.startsWith(`${source}.`) || `${source}.`.startsWith(`${target}.`);
}

function ownSubjects({ sourcePrefixes, targetPrefix }: RepublishOptions): AppError {
  return new AppError(
    "conflict",
    `Subjects that begin with "${targetPrefix}" are those of the streams that are read ` +
      `("${sourcePrefixes.subject}"), which would store everything again: give another ` +
      "--to-subject-prefix, or a NATS with --to-nats that is not connected with this one",
  );
}

/** Addresses don't tell: whether two servers are one system shows in what comes through. */
async function reaches({ source, target }: RepublishOptions): Promise<boolean> {
  const subject = createInbox();
  let hasCome = false;
  const subscription = source.subscribe(subject, {
    callback: () => {
      hasCome = true;
    },
  });
  try {
    await source.flush();
    const until = performance.now() + PROBE_MS;
    // Again and again: a cluster needs a moment to know who listens.
    while (!hasCome && performance.now() < until) {
      target.publish(subject);
      await target.flush();
      await delay(PROBE_MS / 10);
    }
    return hasCome;
  } finally {
    subscription.unsubscribe();
  }
}

/** Whether a stream there takes the subjects; without one they are only for who listens. */
async function isStored(
  { target, targetPrefix }: RepublishOptions,
  key: StreamKey,
): Promise<boolean> {
  try {
    const jsm = await jetstreamManager(target);
    const subject = `${subjectPrefix({ subject: targetPrefix, stream: "" }, key)}>`;
    return (await jsm.streams.find(subject)) !== "";
  } catch {
    return false;
  }
}

export class Republisher {
  readonly #options: RepublishOptions;
  readonly #storedKeys: ReadonlySet<StreamKey>;
  readonly #window: PublishWindow<string>;
  #published = 0;
  #stored = 0;
  #failure: AppError | undefined;
  #wake: () => void = () => undefined;

  constructor(options: RepublishOptions, storedKeys: ReadonlySet<StreamKey>) {
    this.#options = options;
    this.#storedKeys = storedKeys;
    this.#window = new PublishWindow<string>({
      nc: options.target,
      onStored: () => {
        this.#stored += 1;
        this.#wake();
      },
      onRefused: (subject, { text }) => this.#fail(`${subject} was not stored: ${text}`),
      onSilence: (why) => this.#fail(why),
    });
  }

  /** Publishes one message; waits while too many are on their way. */
  async publish(message: MergedMessage): Promise<void> {
    const { sourcePrefixes, targetPrefix, target } = this.#options;
    const subject = targetPrefix + message.subject.slice(sourcePrefixes.subject.length);
    const headers = headersOf(message);
    try {
      if (this.#storedKeys.has(message.key)) {
        this.#window.send(subject, subject, message.data, headers);
      } else {
        target.publish(subject, message.data, { headers });
      }
    } catch (error) {
      this.#fail(`${subject} can't be published: ${messageOf(error)}`);
    }
    this.#published += 1;
    await this.#until(MAX_IN_FLIGHT);
    if (this.#published % FLUSH_EVERY === 0) await target.flush();
  }

  /** Waits until everything has arrived. */
  async finish(): Promise<Republished> {
    await this.#until(1);
    await this.#options.target.flush();
    return { published: this.#published, stored: this.#stored };
  }

  close(): void {
    this.#window.close();
  }

  /** Waits until fewer are in flight. @throws AppError `unavailable` once anything has failed. */
  async #until(fewerThan: number): Promise<void> {
    while (this.#failure === undefined && this.#window.inFlight >= fewerThan) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(why: string): void {
    this.#failure ??= new AppError("unavailable", `Publishing again has stopped: ${why}`);
    this.#wake();
  }
}

function headersOf({ stream, seq, time, headers }: MergedMessage): MsgHdrs {
  const own = newHeaders();
  for (const [name, values] of headers ?? []) {
    if (SERVER_HEADER.test(name)) continue;
    for (const value of values) own.append(name, value);
  }
  own.set(REPLAY_HEADERS.stream, stream);
  own.set(REPLAY_HEADERS.seq, String(seq));
  own.set(REPLAY_HEADERS.time, new Date(time).toISOString());
  return own;
}
