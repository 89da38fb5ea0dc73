import { describe, expect, it } from "vitest";
import type { CheckpointView } from "../../lib/core/read-models.ts";
import {
  answered,
  asked,
  folded,
  lagMs,
  look,
  serverNow,
  startWatch,
} from "../../lib/api/pipeline-watch.ts";
import type { StreamState, WatchState } from "../../lib/api/pipeline-watch.ts";

const LIMITS = { contactMs: 3_000, lagMs: 10_000 };
const FOLLOWED = [
  { projection: "latest_heartbeat", stream: "HB" },
  { projection: "process_lifecycle", stream: "EV" },
];
/** The server's clock is this far ahead of the local one, which starts at 0. */
const SERVER = 1_700_000_000_000;

/** Drives the machine with a clock of its own. */
class Story {
  state: WatchState = startWatch(SERVER - 7);
  local = 0;
  jump = 0;
  private readonly checkpoints = new Map<string, CheckpointView>();

  wait(ms: number): this {
    this.local += ms;
    return this;
  }

  ask(): this {
    this.state = asked(this.state, this.local);
    return this;
  }

  /** The server answers at once. */
  answer(heartbeats: number, events = 0, created = "c1"): this {
    this.ask();
    const streams: StreamState[] = [
      { stream: "HB", created, lastSeq: heartbeats },
      { stream: "EV", created: "c1", lastSeq: events },
    ];
    const serverMs = SERVER + this.local + this.jump;
    this.state = answered(this.state, { localMs: this.local, serverMs, streams }, LIMITS);
    return this;
  }

  fold(heartbeats: number, events = 0, created = "c1"): this {
    this.checkpoints.set("latest_heartbeat", checkpoint("latest_heartbeat", heartbeats, created));
    this.checkpoints.set("process_lifecycle", checkpoint("process_lifecycle", events, "c1"));
    this.state = folded(this.state, [...this.checkpoints.values()], FOLLOWED);
    return this;
  }

  view() {
    const { state, view } = look(this.state, this.local, LIMITS);
    this.state = state;
    return view;
  }

  now(): number | undefined {
    return serverNow(this.state, this.local);
  }
}

function checkpoint(projection: string, seq: number, created: string): CheckpointView {
  return {
    projection,
    version: 1,
    partition: 0,
    lane: "main",
    stream: "HB",
    stream_created: created,
    seq,
    time: 0,
    state: "running",
    error: null,
    error_seq: null,
    notice: null,
    notice_at: null,
    updated_at: 0,
    generation: 0,
  };
}

describe("before anything was heard", () => {
  it("nothing can be told, and no clock is known", () => {
    const story = new Story().ask().wait(60_000);
    expect(story.view()).toEqual({ blindSince: SERVER - 7, lastBlind: null });
    expect(story.now()).toBeUndefined();
    expect(lagMs(story.state, story.local)).toBeNull();
  });

  it("nothing can be told while the projector has not been at the end", () => {
    const story = new Story().answer(100);
    expect(story.view().blindSince).toBe(SERVER - 7);
    expect(story.fold(99).view().blindSince).toBe(SERVER - 7);
    expect(story.fold(100).view()).toEqual({ blindSince: null, lastBlind: null });
  });

  it("an empty stream needs a checkpoint too", () => {
    const story = new Story().answer(0);
    expect(story.view().blindSince).not.toBeNull();
    expect(story.fold(0).view().blindSince).toBeNull();
  });
});

describe("the clock", () => {
  it("is the server's, and goes on between answers", () => {
    const story = new Story().answer(1).fold(1).wait(700);
    expect(story.now()).toBe(SERVER + 700);
  });

  it("stands still while an answer is awaited", () => {
    const story = new Story().answer(1).fold(1).wait(1_000).ask().wait(2_000);
    expect(story.now()).toBe(SERVER + 1_000);
    expect(story.view().blindSince).toBeNull();
  });
});

describe("an outage of NATS", () => {
  const outage = () => new Story().answer(1).fold(1).wait(1_000).ask();

  it("begins with the last answer, once three seconds have passed without one", () => {
    expect(outage().wait(3_000).view().blindSince).toBeNull();
    expect(outage().wait(3_001).view()).toEqual({ blindSince: SERVER, lastBlind: null });
  });

  it("ends when the server answers and the projector is at the end", () => {
    const story = outage().wait(60_000);
    expect(story.view().blindSince).toBe(SERVER);
    story.answer(5).fold(1);
    expect(story.view().blindSince).toBe(SERVER);
    story.wait(500).fold(5);
    const lastBlind = { from: SERVER, to: SERVER + 61_500 };
    expect(story.view()).toEqual({ blindSince: null, lastBlind });
    expect(story.wait(30_000).answer(6).fold(6).view().lastBlind).toEqual(lastBlind);
  });

  it("is remembered where nobody looked before it was over", () => {
    const story = outage().wait(60_000).answer(1).fold(1);
    expect(story.view()).toEqual({
      blindSince: null,
      lastBlind: { from: SERVER, to: SERVER + 61_000 },
    });
  });

  it("is also a machine that slept: its clock did not see the time pass", () => {
    const story = new Story().answer(1).fold(1).wait(1_000);
    story.jump = 3_600_000;
    story.answer(1).fold(1);
    expect(story.view()).toEqual({
      blindSince: null,
      lastBlind: { from: SERVER, to: SERVER + 3_601_000 },
    });
  });

  it("is not a late question of ours", () => {
    const story = new Story().answer(1).fold(1).wait(20_000).answer(1).fold(1);
    expect(story.view()).toEqual({ blindSince: null, lastBlind: null });
  });
});

describe("a projector that is behind", () => {
  it("blinds after ten seconds without having been at the end, from when it last was", () => {
    const story = new Story().answer(1).fold(1);
    for (let seq = 2; seq <= 11; seq++) story.wait(1_000).answer(seq);
    expect(story.view().blindSince).toBeNull();
    story.wait(1_000).answer(12);
    expect(story.view()).toEqual({ blindSince: SERVER, lastBlind: null });
  });

  it("excuses nobody afterwards: what was stored meanwhile tells the truth", () => {
    const story = new Story().answer(1).fold(1);
    for (let seq = 2; seq <= 30; seq++) story.wait(1_000).answer(seq);
    expect(story.view().blindSince).toBe(SERVER);
    expect(story.fold(30).view()).toEqual({ blindSince: null, lastBlind: null });
  });

  it("is one that keeps up with what came a moment ago, however much comes", () => {
    const story = new Story().answer(1).fold(1);
    for (let seq = 1_000; seq <= 60_000; seq += 1_000) {
      story
        .wait(1_000)
        .answer(seq)
        .fold(seq - 500);
      expect(story.view().blindSince).toBeNull();
    }
    expect(lagMs(story.state, story.local)).toBe(0);
    expect(lagMs(story.state, story.local + 400)).toBe(400);
  });

  it("is one that follows a stream which is there no more", () => {
    const story = new Story().answer(5).fold(5).wait(1_000).answer(0, 0, "c2");
    expect(story.wait(11_000).answer(0, 0, "c2").view().blindSince).toBe(SERVER);
    expect(story.fold(0, 0, "c2").view().blindSince).toBeNull();
  });

  it("may be behind in events alone", () => {
    const story = new Story().answer(1, 0).fold(1, 0).wait(1_000).answer(1, 1);
    expect(story.wait(10_000).answer(1, 1).view().blindSince).toBe(SERVER);
    expect(story.fold(1, 1).view().blindSince).toBeNull();
  });

  it("keeps a bounded number of marks, and still knows when it was at the end", () => {
    const story = new Story().answer(1).fold(1);
    for (let seq = 2; seq <= 5_000; seq++) story.wait(1_000).answer(seq);
    expect(story.state.marks.length).toBeLessThanOrEqual(121);
    expect(story.fold(5_000).view().blindSince).toBeNull();
    expect(story.state.atEndAt).toBe(SERVER + story.local);
  });
});
