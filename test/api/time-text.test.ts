import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { timeText } from "../../lib/api/time-text.ts";

describe("a time in an answer", () => {
  it("is what JSON makes of a date, whatever came before it", () => {
    const time = fc.oneof(
      fc.integer({ min: 1_700_000_000_000, max: 1_700_200_000_000 }),
      fc.date({ noInvalidDate: true }).map((date) => date.getTime()),
    );
    fc.assert(
      fc.property(fc.array(time, { minLength: 1, maxLength: 5 }), (times) => {
        for (const at of times) expect(timeText(at)).toBe(JSON.stringify(new Date(at)));
      }),
      { numRuns: 2_000 },
    );
  });

  it("is null where there is none, and cut to whole milliseconds", () => {
    expect(timeText(null)).toBe("null");
    expect(timeText(1_700_000_000_000.9)).toBe('"2023-11-14T22:13:20.000Z"');
  });
});
