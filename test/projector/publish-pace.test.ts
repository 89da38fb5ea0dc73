import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PublishPace } from "../../lib/projector/publish-pace.ts";

const TOGETHER = 10_000;

interface Sent {
  readonly item: number;
  readonly atMs: number;
}

/** A pace whose items are answered after a while, or never. */
function paced(options: { isHurried?: () => boolean; answerMs?: number } = {}) {
  const sent: Sent[] = [];
  const begin = performance.now();
  const pace = new PublishPace<number>({
    send: (item) => {
      sent.push({ item, atMs: performance.now() - begin });
      if (options.answerMs !== undefined) setTimeout(() => pace.answered(), options.answerMs);
    },
    isHurried: options.isHurried ?? (() => false),
  });
  return { pace, sent };
}

function offerMany(pace: PublishPace<number>, count: number): void {
  for (let item = 0; item < count; item++) pace.offer(item);
}

describe("the pace of publishing", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("few go at once, as they come", () => {
    const { pace, sent } = paced({ answerMs: 1 });
    for (let item = 0; item < 200; item++) {
      pace.offer(item);
      vi.advanceTimersByTime(1);
    }
    expect(sent.map(({ item, atMs }) => item - atMs)).toEqual(sent.map(() => 0));
    expect(sent).toHaveLength(200);
  });

  test("many that are due together are spread over seconds, each sent once and in order", () => {
    const { pace, sent } = paced({ answerMs: 1 });
    offerMany(pace, TOGETHER);
    vi.advanceTimersByTime(10_000);
    expect(sent.map(({ item }) => item)).toEqual(Array.from({ length: TOGETHER }, (_, n) => n));
    const perSecond = [0, 1, 2, 3, 4, 5].map(
      (second) => sent.filter(({ atMs }) => Math.floor(atMs / 1_000) === second).length,
    );
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(TOGETHER / 2);
    expect(perSecond[5]).toBe(0);
    expect(pace.waiting).toBe(0);
  });

  test("after a hold-up of the thread, what has become due does not go all at once", () => {
    const { pace, sent } = paced({ answerMs: 1 });
    offerMany(pace, TOGETHER);
    const before = sent.length;
    const late = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 5_000);
    vi.advanceTimersByTime(10);
    late.mockRestore();
    expect(sent.length).toBeGreaterThan(before);
    expect(sent.length - before).toBeLessThan(TOGETHER / 10);
  });

  test("what is hastened goes at once, and not again", () => {
    const { pace, sent } = paced({ answerMs: 1 });
    offerMany(pace, TOGETHER);
    pace.hasten(TOGETHER - 1);
    expect(sent.at(-1)).toEqual({ item: TOGETHER - 1, atMs: 0 });
    pace.hasten(0);
    vi.advanceTimersByTime(10_000);
    expect(sent.toSorted((a, b) => a.item - b.item).map(({ item }) => item)).toEqual(
      Array.from({ length: TOGETHER }, (_, n) => n),
    );
  });

  test("of those that are hastened no more go unanswered either, and they go before the others", () => {
    const { pace, sent } = paced();
    offerMany(pace, TOGETHER);
    for (let item = TOGETHER - 1; item >= TOGETHER - 5_000; item--) pace.hasten(item);
    expect(sent).toHaveLength(4_000);
    const before = sent.length;
    for (let answers = 0; answers < 1_000; answers++) pace.answered();
    expect(sent.slice(before).every(({ item }) => item >= TOGETHER - 5_000)).toBe(true);
    expect(sent).toHaveLength(5_000);
    expect(pace.waiting).toBe(TOGETHER - 5_000);
  });

  test("where there is much to do each goes as soon as the stream takes it, and no sooner", () => {
    const { pace, sent } = paced({ isHurried: () => true });
    offerMany(pace, TOGETHER);
    expect(sent).toHaveLength(4_000);
    vi.advanceTimersByTime(1_000);
    expect(sent).toHaveLength(4_000);
    for (let answers = 0; answers < 4_000; answers++) pace.answered();
    expect(sent).toHaveLength(8_000);
  });

  test("nothing is sent on and on to a stream that does not answer", () => {
    const { pace, sent } = paced();
    offerMany(pace, TOGETHER);
    vi.advanceTimersByTime(60_000);
    expect(sent).toHaveLength(4_000);
    pace.answered();
    vi.advanceTimersByTime(10);
    expect(sent).toHaveLength(4_001);
  });

  test("at the end what waits goes at once; closed, it sends nothing", () => {
    const ended = paced();
    offerMany(ended.pace, 3_000);
    ended.pace.end();
    expect(ended.sent).toHaveLength(3_000);
    const closed = paced();
    offerMany(closed.pace, 3_000);
    const before = closed.sent.length;
    closed.pace.close();
    vi.advanceTimersByTime(60_000);
    expect(closed.sent).toHaveLength(before);
  });
});
