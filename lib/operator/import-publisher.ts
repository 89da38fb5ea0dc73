/** Publishes messages so that each gets the sequence that it had. */
import type { JetStreamManager } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import { AppError } from "../core/errors.ts";
import { IMPORTED_TIME_HEADER } from "../core/imported-stream.ts";
import { STREAM_KEYS, streamName, subjectPrefix } from "../core/subject.ts";
import type { Prefixes, StreamKey } from "../core/subject.ts";
import { PublishWindow } from "../nats/publish-window.ts";
import type { ExportedMessage, HeaderPair } from "./export-format.ts";

/** Of so many messages the last is acknowledged; its sequence shows that all were stored. */
const WINDOW_MESSAGES = 1_000;
/** And at the latest after so many bytes: the server drops what it can't queue. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Windows on their way at a time. */
const MAX_WINDOWS = 3;
const ACK_TIMEOUT_MS = 30_000;
/** A server whose disk is full takes messages and says nothing. */
const NEXT_TEXT =
  "The NATS server went away, or has no room to store: its log says which. The same import goes on where this one ended";
const EMPTY = new Uint8Array();

/** What the server would act upon, such as an id that it has seen, is kept under another name. */
const SERVER_HEADER = /^Nats-/i;
const KEPT_PREFIX = "Runbeat-Imported-";

/** Where a stream's fillers go until they are purged. */
export function gapSubject(prefixes: Prefixes, key: StreamKey): string {
  return `${subjectPrefix(prefixes, key)}_gap`;
}

/** A message's headers as an import stores them; its time comes first, where readers look first. */
function importedHeaders({ timeMs, headers: pairs }: ExportedMessage): MsgHdrs {
  const stored = headers();
  stored.append(IMPORTED_TIME_HEADER, String(timeMs));
  for (const [name, value] of pairs) {
    stored.append(SERVER_HEADER.test(name) ? KEPT_PREFIX + name : name, value);
  }
  return stored;
}

/** The headers that a message had where it came from, from those that it is stored with. */
export function originalHeaders(stored: MsgHdrs | undefined): HeaderPair[] {
  if (stored === undefined) return [];
  const pairs = stored.keys().flatMap((name) => stored.values(name).map((value) => [name, value]));
  return (pairs as [string, string][])
    .filter(([name]) => name !== IMPORTED_TIME_HEADER)
    .map(([name, value]) => [
      name.startsWith(`${KEPT_PREFIX}Nats-`) ? name.slice(KEPT_PREFIX.length) : name,
      value,
    ]);
}

interface Outgoing {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
}

/** What is being published to one stream. */
interface Lane {
  readonly key: StreamKey;
  /** Sequence of the last message that is stored, sent or held. */
  seq: number;
  /** Not sent before the next one comes: the very last one must be acknowledged. */
  held: Outgoing | undefined;
  messages: number;
  bytes: number;
}

export interface ImportPublisherOptions {
  readonly nc: NatsConnection;
  readonly to: Prefixes;
  /** Of the installation that the messages come from. */
  readonly from: Prefixes;
}

export class ImportPublisher {
  readonly #options: ImportPublisherOptions;
  readonly #window: PublishWindow<{ readonly lane: Lane; readonly seq: number }>;
  readonly #lanes = new Map<StreamKey, Lane>();
  #failure: AppError | undefined;
  #wake: () => void = () => undefined;

  constructor(options: ImportPublisherOptions) {
    this.#options = options;
    this.#window = new PublishWindow({
      nc: options.nc,
      ackTimeoutMs: ACK_TIMEOUT_MS,
      onStored: ({ lane, seq }, stored) => {
        if (seq === stored) this.#wake();
        else this.#fail("conflict", this.#disturbed(lane, seq, stored));
      },
      onRefused: ({ lane }, { text }) =>
        this.#fail("unavailable", `The NATS server refuses ${lane.key}: ${text}`),
      onSilence: (why) => this.#fail("unavailable", `The import can't go on: ${why}. ${NEXT_TEXT}`),
    });
  }

  /** Finds out where each stream stands. */
  async open(jsm: JetStreamManager): Promise<void> {
    for (const key of STREAM_KEYS) {
      const { state } = await jsm.streams.info(streamName(this.#options.to, key));
      const seq = Math.max(state.last_seq, state.first_seq - 1);
      this.#lanes.set(key, { key, seq, held: undefined, messages: 0, bytes: 0 });
    }
  }

  /** Whether the caller must wait for {@link settled} before it goes on. */
  get isFull(): boolean {
    return this.#window.inFlight >= MAX_WINDOWS || this.#failure !== undefined;
  }

  needsGap({ stream, seq }: ExportedMessage): boolean {
    return seq > this.#lane(stream).seq + 1;
  }

  /** Stores something empty in the place of every message that is missing before this one. */
  async fillGap({ stream, seq }: ExportedMessage): Promise<void> {
    const lane = this.#lane(stream);
    const subject = gapSubject(this.#options.to, stream);
    while (seq > lane.seq + 1) {
      this.#hold(lane, { seq: lane.seq + 1, subject, data: EMPTY, headers: undefined });
      if (this.isFull) await this.settled();
    }
  }

  /** Publishes a message that is not there yet. */
  publish(message: ExportedMessage): void {
    const { stream, seq, data } = message;
    const lane = this.#lane(stream);
    if (seq <= lane.seq) return;
    const subject = this.#subjectOf(message);
    this.#hold(lane, { seq, subject, data, headers: importedHeaders(message) });
  }

  /** Resolves once there is room. @throws AppError for whatever went wrong. */
  async settled(): Promise<void> {
    while (this.isFull) await this.#answer();
  }

  /** Resolves once everything is stored. @throws as {@link settled}. */
  async finish(): Promise<void> {
    for (const lane of this.#lanes.values()) this.#sendHeld(lane, true);
    while (this.#window.inFlight > 0) await this.#answer();
  }

  close(): void {
    this.#window.close();
  }

  async #answer(): Promise<void> {
    if (this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #hold(lane: Lane, outgoing: Outgoing): void {
    this.#sendHeld(lane, lane.messages >= WINDOW_MESSAGES || lane.bytes >= WINDOW_BYTES);
    lane.held = outgoing;
    lane.seq = outgoing.seq;
  }

  #sendHeld(lane: Lane, isAcknowledged: boolean): void {
    const { held } = lane;
    if (held === undefined) return;
    lane.held = undefined;
    lane.messages = isAcknowledged ? 0 : lane.messages + 1;
    lane.bytes = isAcknowledged ? 0 : lane.bytes + held.data.length;
    const { seq, subject, data, headers: stored } = held;
    if (isAcknowledged) this.#window.send({ lane, seq }, subject, data, stored ?? headers());
    else this.#options.nc.publish(subject, data, stored === undefined ? {} : { headers: stored });
  }

  #lane(key: StreamKey): Lane {
    const lane = this.#lanes.get(key);
    if (lane === undefined) throw new Error(`stream ${key} was not opened`);
    return lane;
  }

  #subjectOf({ stream, subject }: ExportedMessage): string {
    const { from, to } = this.#options;
    const prefix = subjectPrefix(from, stream);
    if (!subject.startsWith(prefix)) {
      this.#fail("invalid", `The export has ${stream} on ${subject}, which is none of ${prefix}>`);
      return gapSubject(to, stream);
    }
    return from.subject === to.subject
      ? subject
      : subjectPrefix(to, stream) + subject.slice(prefix.length);
  }

  #disturbed({ key }: Lane, seq: number, stored: number): string {
    const name = streamName(this.#options.to, key);
    return (
      `Stream ${name} stored message ${seq} of the export as ${stored}: something else writes to it. ` +
      "Stop that, then import again with --discard"
    );
  }

  #fail(code: "conflict" | "unavailable" | "invalid", message: string): void {
    this.#failure ??= new AppError(code, message);
    this.#wake();
  }
}
