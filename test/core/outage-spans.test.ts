import { describe, expect, it } from "vitest";
import { outagesOf, withOutages } from "../../lib/core/outage-spans.ts";
import type { Stretch } from "../../lib/core/outage-spans.ts";
import { stripOf } from "../../lib/dashboard/status-strip.ts";

const text = (stretches: readonly Stretch[]) =>
  stretches.map(({ from, to, status }) => `${from}-${to} ${status ?? "?"}`);

describe("the times in which nobody could see", () => {
  const stretches: Stretch[] = [
    { from: 0, to: 10, status: undefined },
    { from: 10, to: 100, status: "online" },
    { from: 100, to: 200, status: "offline" },
  ];

  it("are unknown, whatever was told last", () => {
    const shown = withOutages(stretches, [
      { from: 20, to: 30 },
      { from: 90, to: 120 },
    ]);
    expect(text(shown)).toEqual([
      "0-10 ?",
      "10-20 online",
      "20-30 unknown",
      "30-90 online",
      "90-100 unknown",
      "100-120 unknown",
      "120-200 offline",
    ]);
  });

  it("go on where they are not over, and change nothing where nobody knew anyway", () => {
    const items = [{ opened_at: "1970-01-01T00:00:00.150Z", resolved_at: null }];
    expect(text(withOutages(stretches, outagesOf(items))).slice(-2)).toEqual([
      "100-150 offline",
      "150-200 unknown",
    ]);
    expect(text(withOutages(stretches, [{ from: 0, to: 10 }]))).toEqual(text(stretches));
  });

  it("are no green in the strip of a runner that was online before and after", () => {
    const item = { status: "online", status_since: "1970-01-01T00:00:00.080Z" } as const;
    const changes = [{ at: 10, from: undefined, to: "online" }] as const;
    const span = { now: 100, lengthMs: 100, outages: [{ from: 40, to: 60 }] };
    const strip = stripOf(item, changes, span);
    expect(strip.map(({ from, to, status }) => [from, to, status])).toEqual([
      [0, 0.1, undefined],
      [0.1, 0.4, "online"],
      [0.4, 0.6, "unknown"],
      [0.6, 0.8, "online"],
      [0.8, 1, "online"],
    ]);
  });
});
