import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatTime, parseTime } from "../../lib/core/time.ts";

describe("reading RFC 3339", () => {
  test("agrees with Date for every instant of the years 0 to 9999", () => {
    const min = new Date("0000-01-01T00:00:00.000Z");
    const max = new Date("9999-12-31T23:59:59.999Z");
    fc.assert(
      fc.property(fc.date({ min, max, noInvalidDate: true }), (date) => {
        expect(parseTime(date.toISOString())).toBe(date.getTime());
        const whole = Math.floor(date.getTime() / 1000) * 1000;
        expect(parseTime(date.toISOString().replace(/\.\d+Z/, "Z"))).toBe(whole);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ["2026-11-22T05:26:00+01:00", "2026-11-22T04:26:00.000Z"],
    ["2026-11-22T05:26:00.5-02:30", "2026-11-22T07:56:00.500Z"],
    ["2026-11-22t05:26:00.123456789z", "2026-11-22T05:26:00.123Z"],
    ["2026-11-22 05:26:00Z", "2026-11-22T05:26:00.000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"],
    ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"],
  ])("reads %s", (text, instant) => {
    expect(formatTime(parseTime(text) ?? Number.NaN)).toBe(instant);
  });

  test.each([
    "",
    "2026-11-22",
    "2026-11-22T05:26:00",
    "2026-13-22T05:26:00Z",
    "2026-02-29T05:26:00Z",
    "2100-02-29T05:26:00Z",
    "2026-11-31T05:26:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T05:60:00Z",
    "2026-11-22T05:26:61Z",
    "2026-11-22T05:26:0xZ",
    "2026-11-22T05:26:00.1x3Z",
    "2026-11-22T05:26:00+25:00",
    "yesterday",
    "1795328780900",
  ])("refuses %j", (text) => {
    expect(parseTime(text)).toBeUndefined();
  });
});
