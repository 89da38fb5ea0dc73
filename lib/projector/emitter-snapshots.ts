/**
 * Decides which heartbeats are kept as snapshots and hands them over for publishing. What it
 * remembers of a runner is what the SNAPSHOTS stream says of it, so nothing is lost with it.
 */
import type { Heartbeat } from "../core/heartbeat.ts";
import { readHeartbeat } from "../core/read-heartbeat.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { sample, snapshotBody } from "../core/snapshot.ts";
import type { StreamMessage } from "../nats/ordered-reader.ts";
import { Outbox } from "./emitter-outbox.ts";
import type { Mark, OutboxEntry } from "./emitter-outbox.ts";
import { PassedHeartbeats } from "./emitter-passed.ts";

/** Stands for the sequence of a snapshot that the stream has not acknowledged yet. */
const PENDING = Number.MAX_SAFE_INTEGER;
/** Rough bytes that an entry takes beside its body. */
const ENTRY_BYTES = 400;
/** Snapshots on their way, with those that are sent a little later: a large fleet's, due together. */
const MAX_ENTRIES = 20_000;

/** What is known of a runner that has a snapshot. */
export class SampledRunner {
  readonly id: RunnerId;
  /** That it named last: the same text is used again. */
  host = "";
  /** Stream time of the last heartbeat that was kept, epoch ms. */
  keptAt = 0;
  /** Its sequence in the HEARTBEATS stream; 0 where that was another stream. */
  keptSeq = 0;
  /** Sequence of the last snapshot in the SNAPSHOTS stream; 0 where there is none. */
  storedSeq = 0;
  /** The first and the last snapshot that are not acknowledged yet. */
  head: SnapshotEntry | undefined;
  tail: SnapshotEntry | undefined;

  constructor(id: RunnerId) {
    this.id = id;
  }
}

/** A snapshot on its way to the stream. */
export interface SnapshotEntry extends OutboxEntry {
  readonly runner: SampledRunner;
  /** Of the heartbeat, in its stream. */
  readonly seq: number;
  readonly timeMs: number;
  readonly body: string;
  /** It tells of an error. */
  readonly isUrgent: boolean;
  /** The runner's last snapshot in the stream when this one is stored; 0 for none. */
  expectedSeq: number;
  /** The runner's next snapshot, which waits for this one. */
  next: SnapshotEntry | undefined;
}

export interface SnapshotLaneOptions {
  /** The window, seconds; 0 keeps nothing. */
  readonly everySec: number;
  /** Sends it, now or soon. */
  readonly send: (entry: SnapshotEntry) => void;
  /** Sends before all others what was to be sent soon. */
  readonly hasten: (entry: SnapshotEntry) => void;
}

export class SnapshotLane {
  /**
   * By the subject of their heartbeats. One for each runner that the SNAPSHOTS stream holds, whose
   * retention is the bound; `forgetGone` drops the others.
   */
  readonly runners = new Map<string, SampledRunner>();
  readonly outbox = new Outbox(MAX_ENTRIES);
  readonly #passed = new PassedHeartbeats();
  /** First sequence of the SNAPSHOTS stream: what is before it is gone. */
  #firstSeq = 1;
  readonly #options: SnapshotLaneOptions;

  constructor(options: SnapshotLaneOptions) {
    this.#options = options;
  }

  /** Judges one heartbeat. `before`: the source's message before it. */
  take(
    subject: string,
    runner: SampledRunner,
    heartbeat: Heartbeat,
    message: Pick<StreamMessage, "seq" | "timeMs" | "data">,
    before: () => Mark,
  ): void {
    const { seq, timeMs, data } = message;
    // Judged already. After the end of a stream was lost its sequences come again, with later times.
    if (seq <= runner.keptSeq && timeMs <= runner.keptAt) return;
    const known = runner.storedSeq >= this.#firstSeq ? runner : undefined;
    const cause = sample(known, heartbeat, timeMs, this.#options.everySec);
    if (cause === undefined) {
      this.#passed.add({ subject, runner, data, seq, timeMs });
      return;
    }
    this.runners.set(subject, runner);
    runner.keptAt = timeMs;
    runner.keptSeq = seq;
    const body = JSON.stringify(snapshotBody({ ts: timeMs, heartbeatSeq: seq, heartbeat }));
    const entry: SnapshotEntry = {
      runner,
      seq,
      timeMs,
      body,
      isUrgent: cause === "error",
      expectedSeq: known === undefined ? 0 : runner.storedSeq,
      next: undefined,
      before: before(),
      bytes: body.length + ENTRY_BYTES,
      storedSeq: 0,
    };
    this.outbox.add(entry);
    this.#queue(runner, entry);
  }

  /** A runner's snapshots go one after another: a crash can't leave a later without an earlier. */
  #queue(runner: SampledRunner, entry: SnapshotEntry): void {
    const previous = runner.tail;
    runner.tail = entry;
    runner.storedSeq = PENDING;
    if (previous === undefined) return this.#send(entry);
    previous.next = entry;
    // Whoever looks why a runner fails need not wait for what goes before it.
    if (entry.isUrgent && runner.head !== undefined) this.#options.hasten(runner.head);
  }

  #send(entry: SnapshotEntry): void {
    entry.runner.head = entry;
    this.#options.send(entry);
    if (entry.isUrgent) this.#options.hasten(entry);
  }

  stored(entry: SnapshotEntry, seq: number): void {
    const { runner, next } = entry;
    this.outbox.settle(entry, seq);
    if (next === undefined) {
      runner.head = undefined;
      runner.tail = undefined;
      runner.storedSeq = seq;
    } else {
      next.expectedSeq = seq;
      this.#send(next);
    }
  }

  /**
   * The stream does not have the snapshot that was expected to be the runner's last.
   * @returns false where it has another one, which only another emitter can have published.
   */
  expectationFailed(entry: SnapshotEntry, actualSeq: number | undefined): boolean {
    if (actualSeq !== 0 || entry.expectedSeq === 0) return false;
    // Pruned since we looked. Kept it is either way: as the first one.
    entry.expectedSeq = 0;
    this.#send(entry);
    return true;
  }

  /** Runners whose last snapshot is gone count as new: their next heartbeat is kept. */
  forgetBefore(firstSeq: number): void {
    this.#firstSeq = Math.max(this.#firstSeq, firstSeq);
  }

  /**
   * Judges again what was stored since a purge and judged before it was known.
   * @param mark how far the source is judged.
   */
  reconsider(sinceMs: number, mark: () => Mark): void {
    for (const passed of this.#passed.since(sinceMs)) {
      const { subject, runner, data } = passed;
      const heartbeat = readHeartbeat(runner.id, data, runner.host);
      if (heartbeat !== undefined) this.take(subject, runner, heartbeat, passed, mark);
    }
  }

  /** Frees the memory of runners whose snapshots are gone. */
  forgetGone(): void {
    for (const [subject, runner] of this.runners) {
      if (runner.storedSeq < this.#firstSeq) this.runners.delete(subject);
    }
  }
}
