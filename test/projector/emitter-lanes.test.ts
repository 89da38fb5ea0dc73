import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeHeartbeatBody } from "../../lib/core/decode-heartbeat.ts";
import type { Heartbeat } from "../../lib/core/heartbeat.ts";
import { sample } from "../../lib/core/snapshot.ts";
import type { SampleState } from "../../lib/core/snapshot.ts";
import type { Mark } from "../../lib/projector/emitter-outbox.ts";
import { RejectLane } from "../../lib/projector/emitter-rejects.ts";
import type { RejectEntry } from "../../lib/projector/emitter-rejects.ts";
import { SampledRunner, SnapshotLane } from "../../lib/projector/emitter-snapshots.ts";
import type { SnapshotEntry } from "../../lib/projector/emitter-snapshots.ts";
import type { StreamMessage } from "../../lib/nats/ordered-reader.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";

const EVERY_SEC = 60;

interface Beat {
  readonly runner: string;
  readonly isError: boolean;
  readonly seq: number;
  readonly timeMs: number;
}

/** Snapshots as the stream would hold them: only what it has taken counts. */
interface StoredSnapshot {
  readonly runner: string;
  readonly seq: number;
  readonly timeMs: number;
  readonly storedSeq: number;
}

function body(isError: boolean): object {
  return { pid: 1, last_error: isError ? "lens cap" : "" };
}

function heartbeat(isError: boolean): Heartbeat {
  const decoded = decodeHeartbeatBody("camera/a/b", body(isError));
  if (!decoded.ok) throw new Error(decoded.rejection.message);
  return decoded.heartbeat;
}

const HEARTBEATS = { true: heartbeat(true), false: heartbeat(false) };

/** One plain pass over everything: what has to come out, whatever happens on the way. */
function ruled(beats: readonly Beat[]): number[] {
  const states = new Map<string, SampleState>();
  const kept: number[] = [];
  for (const { runner, isError, seq, timeMs } of beats) {
    const state = states.get(runner);
    if (sample(state, HEARTBEATS[`${isError}`], timeMs, EVERY_SEC) === undefined) continue;
    states.set(runner, { keptAt: timeMs });
    kept.push(seq);
  }
  return kept;
}

/** A stream that stores what arrives, with the check of a runner's last snapshot. */
class SnapshotStream {
  readonly stored: StoredSnapshot[] = [];
  /** Sent, not stored yet. */
  #arriving: SnapshotEntry[] = [];
  /** Stored, and not answered yet. */
  #unanswered: { entry: SnapshotEntry; storedSeq: number }[] = [];

  readonly send = (entry: SnapshotEntry): void => {
    this.#arriving.push(entry);
  };

  /** What waits is sent before all that came earlier, as an error's is. */
  readonly hasten = (entry: SnapshotEntry): void => {
    const at = this.#arriving.indexOf(entry);
    if (at >= 0) this.#arriving.unshift(...this.#arriving.splice(at, 1));
  };

  store(count: number): void {
    for (const entry of this.#arriving.splice(0, count)) {
      const last = this.stored.findLast(({ runner }) => runner === entry.runner.id);
      if (entry.expectedSeq !== (last?.storedSeq ?? 0)) {
        throw new Error(`${entry.runner.id} at ${entry.seq} does not follow its last snapshot`);
      }
      const storedSeq = this.stored.length + 1;
      const { seq, timeMs } = entry;
      this.stored.push({ runner: entry.runner.id, seq, timeMs, storedSeq });
      this.#unanswered.push({ entry, storedSeq });
    }
  }

  answer(lane: SnapshotLane, count: number): void {
    for (const { entry, storedSeq } of this.#unanswered.splice(0, count)) {
      lane.stored(entry, storedSeq);
    }
  }

  /** The emitter is gone: what it sent is stored or not, and nobody hears of it. */
  loseEmitter(alsoStored: number): void {
    this.store(alsoStored);
    this.#arriving = [];
    this.#unanswered = [];
  }
}

/** A new emitter: all that it knows is what the stream holds. */
function openLane(stream: SnapshotStream): SnapshotLane {
  const { send, hasten } = stream;
  const lane = new SnapshotLane({ everySec: EVERY_SEC, send, hasten });
  for (const { runner, seq, timeMs, storedSeq } of stream.stored) {
    const known = new SampledRunner(runner as RunnerId);
    known.keptSeq = seq;
    known.keptAt = timeMs;
    known.storedSeq = storedSeq;
    lane.runners.set(runner, known);
  }
  return lane;
}

/** A lane whose snapshots are all sent at once. */
function laneTo(sent: SnapshotEntry[]): SnapshotLane {
  const send = (entry: SnapshotEntry): void => void sent.push(entry);
  return new SnapshotLane({ everySec: EVERY_SEC, send, hasten: () => {} });
}

function judge(lane: SnapshotLane, beat: Beat, before: Mark): void {
  const runner = lane.runners.get(beat.runner) ?? new SampledRunner(beat.runner as RunnerId);
  const message = { ...beat, data: Buffer.from(JSON.stringify(body(beat.isError))) };
  lane.take(beat.runner, runner, HEARTBEATS[`${beat.isError}`], message, () => before);
}

const beatsArbitrary = fc
  .array(
    fc.record({
      runner: fc.constantFrom("camera/a/b", "camera/c/d", "worker/w/default"),
      isError: fc.boolean(),
      waitMs: fc.constantFrom(0, 1, 20_000, 59_999, 60_000, 200_000),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((list) => {
    let timeMs = 1_000_000;
    return list.map(({ runner, isError, waitMs }, index): Beat => {
      timeMs += waitMs;
      return { runner, isError, seq: index + 1, timeMs };
    });
  });

const stepArbitrary = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("judge"), count: fc.integer({ min: 1, max: 9 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("store"), count: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("answer"), count: fc.integer({ min: 1, max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("write"), count: fc.constant(0) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("crash"), count: fc.integer({ min: 0, max: 5 }) }),
  },
);

describe("the snapshot lane", () => {
  test("any splits, lost answers and crashes leave the snapshots of one plain pass", () => {
    fc.assert(
      fc.property(beatsArbitrary, fc.array(stepArbitrary, { maxLength: 60 }), (beats, steps) => {
        const stream = new SnapshotStream();
        let lane = openLane(stream);
        let at = 0;
        let position = 0;
        const stored = (): number => lane.outbox.storedThrough?.seq ?? at;
        for (const { do: act, count } of steps) {
          if (act === "judge") {
            for (const beat of beats.slice(at, at + count)) {
              judge(lane, beat, { seq: at, time: 1 });
              at += 1;
            }
          } else if (act === "store") stream.store(count);
          else if (act === "answer") stream.answer(lane, count);
          else if (act === "write") position = stored();
          else {
            stream.loseEmitter(count);
            lane = openLane(stream);
            at = position;
          }
        }
        for (; at < beats.length; at++) {
          const beat = beats[at];
          if (beat !== undefined) judge(lane, beat, { seq: at, time: 1 });
        }
        while (lane.outbox.size > 0) {
          stream.store(100);
          stream.answer(lane, 100);
        }
        expect(stream.stored.map(({ seq }) => seq).toSorted((a, b) => a - b)).toEqual(ruled(beats));
      }),
      { numRuns: 2_000 },
    );
  });

  test("a runner's snapshots are never on their way two at a time", () => {
    const sent: SnapshotEntry[] = [];
    const lane = laneTo(sent);
    for (let seq = 1; seq <= 3; seq++) {
      judge(
        lane,
        { runner: "camera/a/b", isError: true, seq, timeMs: 1_000 + seq },
        { seq: seq - 1, time: 1 },
      );
    }
    expect(sent.map(({ seq }) => seq)).toEqual([1]);
    const [first] = sent;
    if (first !== undefined) lane.stored(first, 70);
    expect(sent.map(({ seq, expectedSeq }) => [seq, expectedSeq])).toEqual([
      [1, 0],
      [2, 70],
    ]);
    expect(lane.outbox.storedThrough?.seq).toBe(1);
  });

  test("an error's snapshot is not spread over time, nor what its runner sends before it", () => {
    const hastened: number[] = [];
    const lane = new SnapshotLane({
      everySec: EVERY_SEC,
      send: () => {},
      hasten: ({ seq }) => hastened.push(seq),
    });
    const take = (seq: number, runner: string, isError: boolean): void =>
      judge(lane, { runner, isError, seq, timeMs: 1_000 + seq }, { seq: seq - 1, time: 1 });
    take(1, "camera/a/b", false);
    take(2, "camera/c/d", false);
    expect(hastened).toEqual([]);
    take(3, "camera/e/f", true);
    expect(hastened).toContain(3);
    take(4, "camera/a/b", true);
    expect(hastened).toContain(1);
    expect(hastened).not.toContain(4);
    const first = lane.runners.get("camera/a/b")?.head;
    if (first !== undefined) lane.stored(first, 1);
    expect(hastened).toContain(4);
    expect(hastened).not.toContain(2);
  });

  test("a snapshot that was pruned while the next was on its way is not waited for", () => {
    const sent: SnapshotEntry[] = [];
    const lane = laneTo(sent);
    const known = new SampledRunner("camera/a/b" as RunnerId);
    known.storedSeq = 5;
    known.keptSeq = 1;
    lane.runners.set("camera/a/b", known);
    judge(
      lane,
      { runner: "camera/a/b", isError: true, seq: 2, timeMs: 1_000 },
      { seq: 1, time: 1 },
    );
    const [entry] = sent;
    if (entry === undefined) throw new Error("nothing was sent");
    expect(entry.expectedSeq).toBe(5);
    expect(lane.expectationFailed(entry, 0)).toBe(true);
    expect(sent.map(({ expectedSeq }) => expectedSeq)).toEqual([0, 0]);
    expect(lane.expectationFailed(entry, 9)).toBe(false);
  });

  test("runners whose snapshots are gone are new, and cost no memory", () => {
    const sent: SnapshotEntry[] = [];
    const lane = laneTo(sent);
    judge(
      lane,
      { runner: "camera/a/b", isError: false, seq: 1, timeMs: 1_000 },
      { seq: 0, time: 0 },
    );
    const [entry] = sent;
    if (entry !== undefined) lane.stored(entry, 1);
    lane.forgetBefore(2);
    lane.forgetGone();
    expect(lane.runners.size).toBe(0);
    judge(
      lane,
      { runner: "camera/a/b", isError: false, seq: 2, timeMs: 1_001 },
      { seq: 1, time: 1 },
    );
    expect(sent.map(({ seq }) => seq)).toEqual([1, 2]);
  });
});

describe("the reject lane", () => {
  const message = (seq: number): StreamMessage => ({
    subject: "runbeat.hb.camera.a.b",
    data: Buffer.from(`bad ${seq}`),
    seq,
    timeMs: 1_000 + seq,
    pending: 0,
    headers: undefined,
  });
  const rejection = { reason: "bad_json", message: "no" } as const;

  test("however it falls behind and catches up, each bad message is sent once and in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 400 }),
        fc.array(fc.constantFrom("source", "own", "answer"), { maxLength: 200 }),
        fc.integer({ min: 0, max: 20 }),
        (areBad, acts, from) => {
          const sent: RejectEntry[] = [];
          const limit = 5;
          const lane = new RejectLane({
            known: new Map(),
            from: { seq: from, time: 1 },
            sourceFrom: { seq: 0, time: 0 },
            judge: ({ seq }) => (areBad[seq - 1] === true ? rejection : undefined),
            send: (entry) => sent.push(entry),
          });
          Object.defineProperty(lane.outbox, "room", {
            get: () => Math.max(0, limit - lane.outbox.size),
          });
          let source = 0;
          let answered = 0;
          const read = (): void => {
            const seq = source + 1;
            if (seq > areBad.length) return;
            if (areBad[seq - 1] === true) {
              lane.offer(message(seq), rejection, { seq: source, time: 1 });
            }
            source = seq;
          };
          const catchUp = (): void => {
            if (lane.isBehind) lane.readBehind(message(lane.ownSeq + 1), source);
          };
          const answer = (): void => {
            const entry = sent[answered];
            if (entry === undefined) return;
            answered += 1;
            lane.stored(entry, answered);
          };
          for (const act of acts) {
            for (let n = 0; n < 7; n++) {
              if (act === "source") read();
              else if (act === "own") catchUp();
              else answer();
            }
            const through = lane.through({ seq: source, time: 1 }).seq;
            const due = sent.slice(0, answered).map(({ seq }) => seq);
            const bad = areBad.flatMap((isBad, index) =>
              isBad && index >= from ? [index + 1] : [],
            );
            expect(bad.filter((seq) => seq <= through)).toEqual(
              due.filter((seq) => seq <= through),
            );
          }
          while (source < areBad.length || lane.isBehind || answered < sent.length) {
            read();
            catchUp();
            answer();
          }
          const expected = areBad.flatMap((isBad, index) =>
            isBad && index >= from ? [index + 1] : [],
          );
          expect(sent.map(({ seq }) => seq)).toEqual(expected);
          expect(lane.through({ seq: source, time: 1 }).seq).toBe(Math.max(areBad.length, from));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("what is in quarantine already is not sent again, but another message of that sequence is", () => {
    const sent: RejectEntry[] = [];
    const lane = new RejectLane({
      known: new Map([
        [1, { timeMs: 1_001, storedSeq: 8 }],
        [2, { timeMs: 7, storedSeq: 9 }],
      ]),
      from: { seq: 0, time: 0 },
      sourceFrom: { seq: 0, time: 0 },
      judge: () => rejection,
      send: (entry) => sent.push(entry),
    });
    lane.offer(message(1), rejection, { seq: 0, time: 0 });
    // Its loss would be noticed from now on.
    expect(lane.outbox.lastStoredSeq).toBe(8);
    lane.offer(message(2), rejection, { seq: 1, time: 1 });
    expect(sent.map(({ seq }) => seq)).toEqual([2]);
    expect(lane.through({ seq: 2, time: 1 })).toEqual({ seq: 1, time: 1 });
  });
});
