import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLEAR_VIEW, DEFAULT_THRESHOLDS, statusOf } from "../../lib/core/status.ts";
import type { Liveness, PipelineView, Status } from "../../lib/core/status.ts";
import { changesBetween, nextChangeAt } from "../../lib/core/status-changes.ts";

const T = 1_700_000_000_000;
const UNHEARD: Liveness = {
  lastHeartbeatAt: null,
  beatingSince: null,
  intervalSec: null,
  spawnedAt: null,
  endedAt: null,
  declaredAt: null,
};
const BEATING: Liveness = { ...UNHEARD, lastHeartbeatAt: T, beatingSince: T, intervalSec: 10 };

const time = fc.integer({ min: T, max: T + 4_000 });
const liveness: fc.Arbitrary<Liveness> = fc.record({
  lastHeartbeatAt: fc.option(time),
  beatingSince: fc.option(time),
  intervalSec: fc.option(fc.double({ min: 0.5, max: 40, noNaN: true })),
  spawnedAt: fc.option(time),
  endedAt: fc.option(time),
  declaredAt: fc.option(time),
});
const blindness = fc
  .tuple(time, fc.nat(600))
  .map(([from, length]) => ({ from, to: from + length }));
const view: fc.Arbitrary<PipelineView> = fc.oneof(
  fc.constant(CLEAR_VIEW),
  fc.record({ blindSince: fc.constant(null), lastBlind: blindness }),
);
/** Thresholds so short that a test can look at every millisecond. */
const SHORT = {
  intervalSec: 10,
  onlineSec: 0.1,
  staleSec: 0.3,
  offlineSec: 0.8,
  startGraceSec: 0.2,
};

/** Looks at every millisecond: slow, and plainly right. */
function lookedAt(told: Status, runner: Liveness, from: number, to: number, seen: PipelineView) {
  const found: { at: number; from: Status; to: Status }[] = [];
  let status = told;
  for (let at = from; at <= to; at++) {
    const now = statusOf(runner, at, SHORT, seen).status;
    if (now !== status) found.push({ at, from: status, to: now });
    status = now;
  }
  return found;
}

describe("changes of status", () => {
  it("are those that a look at every millisecond finds", () => {
    fc.assert(
      fc.property(liveness, time, fc.nat(3_000), view, (runner, from, length, seen) => {
        const to = from + length;
        const changes = changesBetween("online", runner, { from, to }, SHORT, seen);
        expect(
          changes.map((change) => ({ at: change.at, from: change.from, to: change.to })),
        ).toEqual(lookedAt("online", runner, from, to, seen));
      }),
      { numRuns: 200 },
    );
  });

  it("follow silence through every threshold, each at its first millisecond", () => {
    const span = { from: T, to: T + 300_000 };
    expect(changesBetween("online", BEATING, span, DEFAULT_THRESHOLDS)).toEqual([
      { at: T + 15_001, from: "online", to: "stale", cause: "silence", since: T + 15_000 },
      { at: T + 45_001, from: "stale", to: "missing", cause: "silence", since: T + 45_000 },
      { at: T + 120_001, from: "missing", to: "offline", cause: "silence", since: T + 120_000 },
    ]);
  });

  it("come at the right millisecond where a scaled threshold is no whole number", () => {
    const runner = { ...BEATING, intervalSec: 10.374998474121092 };
    const changes = changesBetween("missing", runner, { from: T + 800, to: T + 830 }, SHORT);
    expect(changes.map(({ at, to }) => ({ at, to }))).toEqual([{ at: T + 830, to: "offline" }]);
  });

  it("begin with what was heard at the beginning of the span", () => {
    const changes = changesBetween("offline", BEATING, { from: T, to: T }, DEFAULT_THRESHOLDS);
    expect(changes).toEqual([
      { at: T, from: "offline", to: "online", cause: "heartbeat", since: T },
    ]);
  });

  it("come in one chain however a quiet span is cut", () => {
    fc.assert(
      fc.property(liveness, time, fc.array(fc.nat(900), { maxLength: 6 }), (runner, from, cuts) => {
        const to = from + cuts.reduce((sum, cut) => sum + cut, 1_000);
        const whole = changesBetween("starting", runner, { from, to }, SHORT);
        let told: Status = "starting";
        let at = from;
        const parts = [...cuts, to - at].flatMap((cut) => {
          const end = Math.min(to, at + cut);
          const part = changesBetween(told, runner, { from: at, to: end }, SHORT);
          told = part.at(-1)?.to ?? told;
          at = end;
          return part;
        });
        expect(parts).toEqual(whole);
      }),
    );
  });
});

describe("the next change of status", () => {
  it.each([
    ["an ended process", { ...UNHEARD, spawnedAt: T, endedAt: T + 5 }],
    ["a runner with no beginning", UNHEARD],
  ])("never comes by itself for %s", (_, runner) => {
    expect(nextChangeAt(runner, T + 10, DEFAULT_THRESHOLDS)).toBeUndefined();
  });

  it("does not come while nothing can be seen", () => {
    const blind = { blindSince: T + 1, lastBlind: null };
    expect(nextChangeAt(BEATING, T + 2, DEFAULT_THRESHOLDS, blind)).toBeUndefined();
  });
});
