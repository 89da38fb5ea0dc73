import { describe, expect, it } from "vitest";
import { ageText, clockText, lagText, runtimeText } from "../../lib/terminal/duration.ts";

describe("a time as people read it", () => {
  it.each([
    [-5, "0:00:00"],
    [999, "0:00:00"],
    [252_000, "0:04:12"],
    [86_399_999, "23:59:59"],
    [86_400_000, "1d 00:00"],
    [273_600_000, "3d 04:00"],
  ])("runs for %d ms: %s", (ms, text) => {
    expect(runtimeText(ms)).toBe(text);
  });

  it.each([
    [999, "now"],
    [8_400, "8s ago"],
    [119_999, "119s ago"],
    [120_000, "2m ago"],
    [7_200_000, "2h ago"],
    [172_800_000, "2d ago"],
  ])("is %d ms old: %s", (ms, text) => {
    expect(ageText(ms)).toBe(text);
  });

  it.each([
    [0, "0 ms"],
    [1_234, "1.2 s"],
    [90_000, "90s"],
  ])("lags by %d ms: %s", (ms, text) => {
    expect(lagText(ms)).toBe(text);
  });

  it("is a time of day within a day and a date beyond it", () => {
    const now = new Date(2026, 0, 23, 15, 30, 45).getTime();
    expect(clockText(now - 1_000, now)).toBe("15:30:44");
    expect(clockText(new Date(2026, 0, 20, 9, 0, 0).getTime(), now)).toBe("2026-01-20");
  });
});
