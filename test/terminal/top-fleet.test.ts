import { describe, expect, it } from "vitest";
import { formatTime } from "../../lib/core/time.ts";
import { EventStreamParser } from "../../lib/terminal/event-stream.ts";
import { TopFleet } from "../../lib/terminal/top-fleet.ts";
import { stripText } from "../../lib/terminal/top-strip.ts";
import { NOW, topRunner, topSummary } from "./top-fixture.ts";

const AS_OF = { time: formatTime(NOW), lag_ms: 0 };
const LOOKS = { colour: false, unicode: false, width: 80 };
const A = topRunner("camera/a/hd");
const B = topRunner("camera/b/hd");

function told(...events: readonly (readonly [string, unknown])[]): TopFleet {
  const fleet = new TopFleet();
  for (const [event, data] of events) fleet.take(event, data, NOW - 5_000);
  return fleet;
}

function strip(fleet: TopFleet, runner: string, cells = 12): string {
  const { status, status_since } = fleet.runners.get(runner) ?? A;
  const changes = fleet.changesOf(runner);
  const { outages } = fleet;
  const since = Date.parse(status_since);
  return stripText({ changes, status, since, nowMs: NOW, outages }, cells, LOOKS);
}

function change(minutesAgo: number, from: string, to: string, seq = 1) {
  const time = formatTime(NOW - minutesAgo * 60_000);
  return { seq, time, runner: A.runner, type: "status_changed", by: "s", data: { from, to } };
}

describe("the fleet of runbeat top", () => {
  it("is there when the last part of a snapshot has come, without what is gone since", () => {
    const part = (items: unknown, more: boolean) =>
      ["snapshot", { items, more, as_of: AS_OF }] as const;
    const fleet = told(part([A], true));
    expect(fleet.isThere).toBe(false);
    fleet.take(...part([B], false), NOW);
    expect([...fleet.runners.keys()]).toEqual([A.runner, B.runner]);
    fleet.take("gone", { runner: A.runner }, NOW);
    fleet.take("runner", { ...B, status: "stale" }, NOW);
    expect([...fleet.runners.values()]).toMatchObject([{ runner: B.runner, status: "stale" }]);
    // A connection that was cut within a snapshot begins with another one.
    fleet.take(...part([A], true), NOW);
    fleet.begin();
    fleet.take(...part([B], false), NOW);
    expect([...fleet.runners.keys()]).toEqual([B.runner]);
  });

  it("goes by the server's clock", () => {
    const fleet = told(["snapshot", { items: [], more: false, as_of: AS_OF }]);
    expect(fleet.serverMs(NOW - 5_000 + 700)).toBe(NOW + 700);
  });

  it("tells rates from what was folded, also when the streams began anew", () => {
    const summary = (beats: number, seconds: number) =>
      ["summary", topSummary([], { beats, timeMs: NOW + seconds * 1_000 })] as const;
    const fleet = told(summary(100, 0));
    expect(fleet.rates().beats).toBeNull();
    fleet.take(...summary(150, 5), NOW);
    expect(fleet.rates().beats).toBe(10);
    fleet.take(...summary(3, 6), NOW);
    expect(fleet.rates().beats).toBeNull();
  });

  it("stands still for who pauses, whatever comes", () => {
    const fleet = told(["snapshot", { items: [A], more: false, as_of: AS_OF }]);
    const frozen = fleet.frozen();
    fleet.take("gone", { runner: A.runner }, NOW);
    expect(frozen.runners.size).toBe(1);
  });
});

describe("the strip of the last hour", () => {
  const since = (minutes: number) => formatTime(NOW - minutes * 60_000);
  const snapshot = (item: object) =>
    ["snapshot", { items: [item], more: false, as_of: AS_OF }] as const;

  it("shows the worst of each piece of time, and nothing where nobody knows", () => {
    const fleet = told(snapshot({ ...A, status_since: since(9) }));
    expect(strip(fleet, A.runner)).toBe("          __");
    fleet.addOlder([change(9, "offline", "online", 3), change(31, "online", "offline", 2)]);
    expect(strip(fleet, A.runner)).toBe("_____XXXXXX_");
  });

  it("shows nothing before a runner was there", () => {
    const fleet = told(snapshot({ ...A, status_since: since(9) }));
    fleet.addOlder([change(9, "starting", "online", 2), change(12, "unknown", "starting", 1)]);
    expect(strip(fleet, A.runner)).toBe("         ..__".slice(0, 10) + "._");
  });

  it("goes by what was seen where nobody tells, and counts the same change once", () => {
    const fleet = told(snapshot({ ...A, status_since: since(60) }));
    fleet.take("runner", { ...A, status: "stale", status_since: since(5) }, NOW);
    expect(strip(fleet, A.runner)).toBe("___________~");
    fleet.take("event", change(5, "online", "stale"), NOW);
    expect(fleet.changesOf(A.runner)).toHaveLength(1);
  });
});

describe("server-sent events", () => {
  it("are read in whatever pieces they come", () => {
    const text = ': keep-alive\n\nid: a-1\nevent: runner\ndata: {"x":1}\n\ndata: y\ndata: z\n\n';
    for (const size of [1, 7, 1_000]) {
      const parser = new EventStreamParser();
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
      expect(pieces.flatMap((piece) => parser.take(piece))).toEqual([
        { id: "a-1", event: "runner", data: '{"x":1}' },
        { id: "a-1", event: "message", data: "y\nz" },
      ]);
    }
  });
});
