import { describe, expect, it } from "vitest";
import { isRelativeMoment, parseMoment, requireMoment } from "../../lib/core/moment.ts";

const NOW = Date.UTC(2026, 0, 31, 12, 0, 0);
const at = (text: string) => {
  const moment = parseMoment(text, NOW);
  return moment === undefined ? undefined : new Date(moment).toISOString();
};

describe("a moment as people write it", () => {
  it.each([
    ["now", "2026-01-31T12:00:00.000Z"],
    ["-15m", "2026-01-31T11:45:00.000Z"],
    ["-2h30m", "2026-01-31T09:30:00.000Z"],
    ["-1d", "2026-01-30T12:00:00.000Z"],
    ["-1.5h", "2026-01-31T10:30:00.000Z"],
    ["-250ms", "2026-01-31T11:59:59.750Z"],
    ["15m ago", "2026-01-31T11:45:00.000Z"],
    ["03:12", "2026-01-31T03:12:00.000Z"],
    ["23:15:30", "2026-01-30T23:15:30.000Z"],
    ["2026-01-30", "2026-01-30T00:00:00.000Z"],
    ["2026-01-30T03:12:00Z", "2026-01-30T03:12:00.000Z"],
    ["2026-01-30T03:12Z", "2026-01-30T03:12:00.000Z"],
    ["2026-01-30 03:12", "2026-01-30T03:12:00.000Z"],
    ["2026-01-30T03:12:00.5+01:00", "2026-01-30T02:12:00.500Z"],
    ["1769829120000", "2026-01-31T03:12:00.000Z"],
  ])("reads %s", (text, expected) => {
    expect(at(text)).toBe(expected);
  });

  it.each([
    "",
    "yesterday",
    "15m",
    "-15",
    "-m",
    "2026",
    "2026-13-01",
    "25:00",
    "8080",
    "-9999999d",
  ])("refuses %j", (text) => {
    expect(at(text)).toBeUndefined();
  });

  it.each(["now", "-15m", "2h ago", "03:12"])("%j is another moment at another time", (text) => {
    expect(isRelativeMoment(text)).toBe(true);
  });

  it.each(["2026-01-31T03:12:00Z", "2026-01-31", "1769829120000"])(
    "%j is always the same",
    (text) => {
      expect(isRelativeMoment(text)).toBe(false);
    },
  );

  it("says what is allowed where a flag holds none", () => {
    expect(requireMoment("--at", "now", NOW)).toBe(NOW);
    expect(() => requireMoment("--at", "tomorow", NOW)).toThrow(
      '--at: "tomorow" is no time: use 2026-01-31T03:12:00Z',
    );
  });
});
