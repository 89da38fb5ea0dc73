import { describe, expect, test } from "vitest";
import { parsePosition } from "../../lib/projector/emitter-position.ts";
import type { SourcePosition } from "../../lib/projector/emitter-position.ts";
import { startOfSource } from "../../lib/projector/emitter-start.ts";
import type { StartFacts } from "../../lib/projector/emitter-start.ts";

const position: SourcePosition = {
  v: 1,
  created: "monday",
  judged: { seq: 100, time: 1_100 },
  rejected: { seq: 110, time: 1_110 },
  anchor: { seq: 50, time: 1_050 },
  snapshots: { created: "monday", last_seq: 30 },
  quarantine: { created: "monday", last_seq: 20 },
};

/** Everything as it was left. */
const facts: StartFacts = {
  position,
  source: { name: "BEATS", created: "monday", firstSeq: 1, lastSeq: 200 },
  snapshots: { name: "SNAPS", created: "monday", firstSeq: 1, lastSeq: 30, throughSeq: 95 },
  quarantine: { name: "QUAR", created: "monday", firstSeq: 1, lastSeq: 20, throughSeq: 105 },
  timeAt: (seq) => 1_000 + seq,
};

function start(change: Partial<StartFacts>) {
  const { judged, rejected, notices } = startOfSource({ ...facts, ...change });
  return { judged: judged.seq, rejected: rejected.seq, notices };
}

describe("where judging goes on", () => {
  test("where it was left, when the streams are what they were", () => {
    expect(start({})).toEqual({ judged: 100, rejected: 110, notices: [] });
  });

  test("at the first message that the stream has, when there is no position", () => {
    expect(start({ position: undefined })).toEqual({ judged: 0, rejected: 0, notices: [] });
    const source = { ...facts.source, firstSeq: 40 };
    expect(start({ position: undefined, source })).toMatchObject({ judged: 39, notices: [] });
  });

  test("at the first message, when the stream was made again", () => {
    const source = { ...facts.source, created: "tuesday", firstSeq: 3 };
    expect(start({ source })).toEqual({
      judged: 2,
      rejected: 2,
      notices: ["stream BEATS was recreated on tuesday: it is judged from its first message"],
    });
  });

  test("at an older position, when the end of the stream was lost", () => {
    const source = { ...facts.source, lastSeq: 90 };
    expect(start({ source })).toEqual({
      judged: 50,
      rejected: 50,
      notices: ["the end of stream BEATS was lost: it is judged again from message 51"],
    });
  });

  test("at an older position, when the message at the position is another one", () => {
    const timeAt = (seq: number) => (seq > 90 ? 9_999 : 1_000 + seq);
    expect(start({ timeAt })).toMatchObject({ judged: 50, rejected: 50 });
  });

  test("at the first message, when the older position is lost too", () => {
    expect(start({ timeAt: () => 9_999 })).toMatchObject({ judged: 0, rejected: 0 });
    expect(start({ source: { ...facts.source, lastSeq: 0 } })).toMatchObject({ judged: 0 });
  });

  test("after a gap that retention has made, and says so", () => {
    const source = { ...facts.source, firstSeq: 106 };
    const timeAt = (seq: number) => (seq < 106 ? undefined : 1_000 + seq);
    expect(start({ source, timeAt })).toEqual({
      judged: 105,
      rejected: 110,
      notices: ["messages 101 to 105 of stream BEATS were removed before they were judged"],
    });
  });

  test("where the last snapshot left says, when snapshots were lost", () => {
    const snapshots = { ...facts.snapshots, lastSeq: 29 };
    expect(start({ snapshots })).toEqual({
      judged: 95,
      rejected: 110,
      notices: [
        "the end of stream SNAPS was lost: what is missing is judged again from message 96",
      ],
    });
  });

  test("where the last rejected message left says, when the quarantine has lost some", () => {
    const quarantine = { ...facts.quarantine, lastSeq: 19 };
    expect(start({ quarantine })).toMatchObject({ judged: 100, rejected: 105 });
  });

  test("at the first message, when all snapshots of a young stream were lost", () => {
    const snapshots = { ...facts.snapshots, firstSeq: 0, lastSeq: 0, throughSeq: undefined };
    expect(start({ snapshots })).toMatchObject({ judged: 0, rejected: 110 });
  });

  test("where it was left, when nothing of a pruned stream is there to tell what was lost", () => {
    const snapshots = { ...facts.snapshots, firstSeq: 26, lastSeq: 25, throughSeq: undefined };
    expect(start({ snapshots })).toMatchObject({ judged: 100, rejected: 110 });
  });

  test("where it was left, when the snapshots stream was made again: that is a prune", () => {
    const snapshots = { ...facts.snapshots, created: "tuesday", firstSeq: 0, lastSeq: 0 };
    expect(start({ snapshots })).toEqual({ judged: 100, rejected: 110, notices: [] });
  });
});

describe("a position in the bucket", () => {
  test("is read back as it was written", () => {
    expect(parsePosition(Buffer.from(JSON.stringify(position)))).toEqual(position);
  });

  test.each(["", "{", "{}", JSON.stringify({ ...position, v: 2 })])(
    "that reads %j is none: the stream is judged anew",
    (text) => {
      expect(parsePosition(Buffer.from(text))).toBeUndefined();
    },
  );
});
