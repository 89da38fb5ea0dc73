import { describe, expect, it } from "vitest";
import { explainScreen } from "../../lib/terminal/explain-screen.ts";
import type { ShownExplanation } from "../../lib/terminal/explain-screen.ts";

const PLAIN = { colour: false, unicode: true, width: 60 };

const time = (second: string): string => `2026-01-31T03:12:${second}Z`;
const evidence = (seq: number) => ({ stream: "RUNBEAT_EVENTS", seq, time: time("07.120") });

const SHOWN: ShownExplanation = {
  runner: "camera/door/hd",
  headline: "camera/door/hd is offline: its process (pid 7 on edge-1) exited with code 1.",
  heartbeats: [
    {
      stream: "RUNBEAT_HEARTBEATS",
      seq: 812,
      time: time("01.002"),
      gap_ms: 31_200,
      late: true,
      lost: 2,
      count: 44,
      pid: 7,
      current: true,
      health: "healthy",
      skew_ms: -3,
      error: "no\u001B[2J picture",
    },
  ],
  sections: [
    {
      key: "heartbeats",
      title: "Its last heartbeats",
      facts: [{ text: "Promised is one every 10 s.", tone: "warn", evidence: null }],
    },
    {
      key: "life_cycle",
      title: "What happened",
      facts: [{ text: "pid 7 on edge-1 exited with code 1", tone: "bad", evidence: evidence(12) }],
    },
  ],
  as_of: { time: time("19.000") },
};

describe("an explanation on a terminal", () => {
  it("keeps within the width, names each fact's message, and lets no runner draw", () => {
    expect(explainScreen(SHOWN, PLAIN, false)).toBe(
      [
        "camera/door/hd is offline: its process (pid 7 on edge-1)",
        "exited with code 1.",
        "Times are UTC, by the stream's clock. It is 2026-01-31 03:12:19.",
        "",
        "Its last heartbeats",
        "  STREAM SEQ  TIME           AFTER  COUNT  PID   SKEW  HEAL…",
        "         812  03:12:01.002  31.2 s     44    7  -3 ms  heal…",
        "  ! Promised is one every 10 s.",
        "",
        "What happened",
        "  ✖ 01-31 03:12:07  pid 7 on edge-1 exited with code 1",
        "    [RUNBEAT_EVENTS 12]",
        "",
      ].join("\n"),
    );
  });

  it("says what moment of the past it is of", () => {
    const [first] = explainScreen(SHOWN, { ...PLAIN, unicode: false }, true).split("\n");
    expect(first).toBe("PAST: as it was at 2026-01-31 03:12:19 UTC");
  });
});
