/**
 * One attempt at judging: reads from NATS where to go on, and judges until something goes wrong.
 * Then all that it had in memory is dropped, and the next session finds out anew. So the way back
 * from a lost answer, a restarted server or a killed process is one and the same.
 */
import type { JetStreamManager } from "@nats-io/jetstream";
import type { MsgHdrs, NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import { judgeOf } from "../core/judge-message.ts";
import { quarantineSubject, snapshotSubject } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { PublishWindow } from "../nats/publish-window.ts";
import type { Refusal } from "../nats/publish-window.ts";
import { describeStream, loadRunners } from "./emitter-load.ts";
import { headerBytes, rejectHeaders, snapshotHeaders } from "./emitter-messages.ts";
import { openSources } from "./emitter-opening.ts";
import type { Opening, SourceOpening } from "./emitter-opening.ts";
import { PositionStore } from "./emitter-position.ts";
import { Progress } from "./emitter-progress.ts";
import { watchPurges } from "./emitter-purges.ts";
import { RejectLane } from "./emitter-rejects.ts";
import type { RejectEntry } from "./emitter-rejects.ts";
import { SnapshotLane } from "./emitter-snapshots.ts";
import type { SnapshotEntry } from "./emitter-snapshots.ts";
import { EmitterSource } from "./emitter-source.ts";
import { PublishPace } from "./publish-pace.ts";

const WRITE_POSITION_EVERY_MS = 250;
/** How soon snapshots that are pruned are noticed where the server does not tell. */
const CHECK_STREAMS_EVERY_MS = 1_000;
const FREE_MEMORY_EVERY_MS = 60_000;
/** How long an orderly end waits for answers. */
const DRAIN_MS = 2_000;
const DRAIN_CHECK_MS = 10;
/** With more heartbeats than these to judge, snapshots are not spread over time. */
const MUCH_PENDING = 20_000;
/** Where the server does not say what it takes. */
const DEFAULT_MAX_PAYLOAD_BYTES = 1_048_576;
/** Source: nats-server's errors.json. */
const WRONG_LAST_SEQUENCE = 10_071;

export interface SessionOptions {
  readonly nc: NatsConnection;
  /** For reading, `nc` unless given. */
  readonly readingNc?: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly prefixes: Prefixes;
  readonly bucket: string;
  /** Seconds; 0 keeps no snapshots. */
  readonly everySec: number;
  readonly log: Pick<Logger, "warn">;
  /** Whether this process may publish: asked before every message. */
  readonly isAllowed: () => boolean;
}

export interface SourceReport {
  readonly stream: string;
  /** Every snapshot of messages up to here is stored. */
  readonly judgedSeq: number;
  /** Every bad message up to here is in quarantine. */
  readonly rejectedSeq: number;
  /** Messages that wait to be judged. */
  readonly pending: number;
}

/** One source with what follows from it. */
interface Lane {
  readonly source: EmitterSource;
  readonly rejects: RejectLane;
  readonly snapshots: SnapshotLane | undefined;
  readonly progress: Progress;
  readonly opening: SourceOpening;
}

type Sent =
  | { readonly kind: "snapshot"; readonly lane: () => Lane; readonly entry: SnapshotEntry }
  | { readonly kind: "reject"; readonly lane: () => Lane; readonly entry: RejectEntry };

/** Opens a session. @throws when NATS does not answer or a stream is missing. */
export async function openSession(options: SessionOptions): Promise<EmitterSession> {
  const store = new PositionStore(options);
  const opening = await openSources(options, store, options.log);
  const runners = await loadRunners(options, opening.heartbeats.stream);
  const session = new EmitterSession(options, opening, store);
  for (const [subject, runner] of runners) session.snapshots.runners.set(subject, runner);
  try {
    await session.start();
  } catch (error) {
    await session.close("abandon");
    throw error;
  }
  return session;
}

export class EmitterSession {
  /** Resolves, with the reason, once the session is over; it never rejects. */
  readonly ended: Promise<string>;
  readonly snapshots: SnapshotLane;
  readonly #options: SessionOptions;
  readonly #opening: Opening;
  readonly #window: PublishWindow<Sent>;
  readonly #lanes: readonly Lane[];
  readonly #pace: PublishPace<SnapshotEntry>;
  readonly #closers: (() => void)[] = [];
  #end: (reason: string) => void = () => undefined;
  #isOver = false;
  #writing: Promise<void> | undefined;
  #checking: Promise<void> | undefined;

  constructor(options: SessionOptions, opening: Opening, store: PositionStore) {
    this.#options = options;
    this.#opening = opening;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#window = new PublishWindow<Sent>({
      nc: options.nc,
      onStored: (sent, seq) => this.#stored(sent, seq),
      onRefused: (sent, refusal) => this.#refused(sent, refusal),
      onSilence: (why) => this.fail(why),
    });
    this.#pace = new PublishPace({
      send: (entry) => this.#sendSnapshot(() => heartbeats, entry),
      isHurried: () => heartbeats.source.pending > MUCH_PENDING,
    });
    this.snapshots = new SnapshotLane({
      everySec: options.everySec,
      send: (entry) => this.#pace.offer(entry),
      hasten: (entry) => this.#pace.hasten(entry),
    });
    this.snapshots.forgetBefore(opening.snapshots.firstSeq);
    const heartbeats = this.#lane(opening.heartbeats, this.snapshots, store);
    this.#lanes = [heartbeats, this.#lane(opening.events, undefined, store)];
  }

  /** Writes the checked positions down before anything follows from them, then judges. */
  async start(): Promise<void> {
    await this.#writePositions();
    this.#every(WRITE_POSITION_EVERY_MS, () => void this.#writeNow());
    this.#every(CHECK_STREAMS_EVERY_MS, () => void this.#checkNow());
    this.#every(FREE_MEMORY_EVERY_MS, () => this.snapshots.forgetGone());
    const { nc } = this.#options;
    this.#closers.push(
      watchPurges(nc, this.#opening.snapshots.name, (atMs) => void this.#purged(atMs)),
    );
    for (const { source } of this.#lanes) source.steer();
  }

  /** Ends the session: nothing is published any more. */
  fail(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(why);
  }

  report(): SourceReport[] {
    return this.#lanes.map(({ source, opening }) => ({
      stream: opening.stream.name,
      judgedSeq: source.judged.seq,
      rejectedSeq: source.rejected.seq,
      pending: source.pending,
    }));
  }

  /** `settle` waits a moment for what is on its way and writes the positions down. */
  async close(how: "settle" | "abandon"): Promise<void> {
    const readers = Promise.all(this.#lanes.map(({ source }) => source.close()));
    for (const close of this.#closers.splice(0).toReversed()) close();
    if (how === "settle" && !this.#isOver) await this.#settle();
    this.fail("it was closed");
    this.#window.close();
    // Until they have ended they may hand over more.
    await readers;
    this.#pace.close();
  }

  #lane(opening: SourceOpening, snapshots: SnapshotLane | undefined, store: PositionStore): Lane {
    const { nc, jsm, log, prefixes, readingNc } = this.#options;
    const { start, known, key, stream } = opening;
    const from = snapshots === undefined ? start.rejected : start.judged;
    const rejects = new RejectLane({
      known,
      from: start.rejected,
      sourceFrom: from,
      judge: judgeOf(key, prefixes),
      send: (entry) => this.#sendReject(() => lane, entry),
    });
    const source = new EmitterSource({
      nc: readingNc ?? nc,
      jsm,
      log,
      key,
      prefixes,
      identity: stream,
      from,
      rejects,
      snapshots,
      onFailure: (why) => this.fail(why),
    });
    const outputs = {
      snapshots: snapshots === undefined ? undefined : this.#opening.snapshots,
      quarantine: this.#opening.quarantine,
    };
    const progress = new Progress(store, opening, outputs);
    const lane: Lane = { source, rejects, snapshots, progress, opening };
    return lane;
  }

  #every(ms: number, act: () => void): void {
    const timer = setInterval(act, ms);
    this.#closers.push(() => clearInterval(timer));
  }

  #sendSnapshot(lane: () => Lane, entry: SnapshotEntry): void {
    const { source, opening } = lane();
    const header = snapshotHeaders(opening.stream, entry, source.judged.seq);
    const subject = snapshotSubject(this.#options.prefixes, entry.runner.id);
    this.#publish({ kind: "snapshot", lane, entry }, subject, entry.body, header);
  }

  #sendReject(lane: () => Lane, entry: RejectEntry): void {
    const { source, opening } = lane();
    const header = rejectHeaders(opening.stream, entry, source.rejected.seq);
    const room = this.#maxPayload - headerBytes(header);
    // The headers can make a message too long that just fitted; what is cut off is named by them.
    const payload = entry.payload.length > room ? entry.payload.subarray(0, room) : entry.payload;
    const subject = quarantineSubject(this.#options.prefixes, entry.rejection.reason);
    this.#publish({ kind: "reject", lane, entry }, subject, payload, header);
  }

  get #maxPayload(): number {
    return this.#options.nc.info?.max_payload ?? DEFAULT_MAX_PAYLOAD_BYTES;
  }

  #publish(sent: Sent, subject: string, data: Uint8Array | string, header: MsgHdrs): void {
    if (!this.#isOver && !this.#options.isAllowed()) this.fail("the lease has ended");
    if (this.#isOver) return;
    try {
      this.#window.send(sent, subject, data, header);
    } catch (error) {
      this.fail(messageOf(error));
    }
  }

  #stored(sent: Sent, seq: number): void {
    if (this.#isOver) return;
    const lane = sent.lane();
    if (sent.kind === "snapshot") {
      lane.snapshots?.stored(sent.entry, seq);
      this.#pace.answered();
    } else lane.rejects.stored(sent.entry, seq);
    lane.source.steer();
  }

  #refused(sent: Sent, refusal: Refusal): void {
    if (this.#isOver) return;
    if (sent.kind === "snapshot") this.#pace.answered();
    if (sent.kind === "snapshot" && refusal.code === WRONG_LAST_SEQUENCE) {
      const actual = /\d+$/.exec(refusal.text)?.[0];
      const actualSeq = actual === undefined ? undefined : Number(actual);
      if (this.snapshots.expectationFailed(sent.entry, actualSeq)) return;
      return this.fail(`another emitter has kept a snapshot of ${sent.entry.runner.id}`);
    }
    this.fail(`a ${sent.kind} was not stored: ${refusal.text}`);
  }

  async #writeNow(): Promise<void> {
    if (this.#writing !== undefined || this.#isOver) return;
    this.#writing = this.#writePositions()
      .catch((error: unknown) => this.fail(messageOf(error)))
      .finally(() => {
        this.#writing = undefined;
      });
    await this.#writing;
  }

  async #writePositions(): Promise<void> {
    for (const { source, rejects, snapshots, progress } of this.#lanes) {
      await progress.write({
        judged: source.judged,
        rejected: source.rejected,
        lastSnapshotSeq: snapshots?.outbox.lastStoredSeq ?? 0,
        lastRejectSeq: rejects.outbox.lastStoredSeq,
      });
    }
  }

  async #checkNow(): Promise<void> {
    if (this.#isOver) return;
    this.#checking ??= this.#checkStreams()
      .catch((error: unknown) => this.fail(messageOf(error)))
      .finally(() => {
        this.#checking = undefined;
      });
    await this.#checking;
  }

  async #checkStreams(): Promise<void> {
    const now = await describeStream(this.#options, "snapshots");
    if (now.created !== this.#opening.snapshots.created) {
      return this.fail(`stream ${now.name} was recreated on ${now.created}`);
    }
    this.snapshots.forgetBefore(now.firstSeq);
    for (const { rejects, source, opening } of this.#lanes) {
      if (!rejects.isBehind) continue;
      source.skipBefore((await describeStream(this.#options, opening.key)).firstSeq);
    }
  }

  /** The next heartbeat of a pruned runner is to be kept, so none is judged before we know. */
  async #purged(atMs: number): Promise<void> {
    const [heartbeats] = this.#lanes;
    heartbeats?.source.hold();
    // A check that is under way may have asked before the purge.
    await this.#checking;
    await this.#checkNow();
    if (this.#isOver || heartbeats === undefined) return;
    this.snapshots.reconsider(atMs, () => heartbeats.source.mark);
    heartbeats.source.release();
  }

  async #settle(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    const isWaiting = (): boolean =>
      this.#window.inFlight + this.#pace.waiting > 0 &&
      performance.now() < deadline &&
      !this.#isOver;
    this.#pace.end();
    while (isWaiting()) {
      await new Promise((resolve) => {
        setTimeout(resolve, DRAIN_CHECK_MS);
      });
    }
    await this.#writing;
    await this.#writeNow();
  }
}
