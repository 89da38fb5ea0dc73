import { expect, test } from "vitest";
import { bytesText, countText, spanText } from "../../lib/core/amount.ts";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [3_250_585, "3.1 MiB"],
  [8 * 2 ** 30, "8 GiB"],
  [2 ** 61, "2048 PiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [86_400_000, "24 h"],
  [30 * 86_400_000, "30 d"],
  [90_000, "90 s"],
  [120_000, "2 min"],
  [1_000, "1 s"],
  [500, "0.5 s"],
])("%d ms are %s", (ms, text) => {
  expect(spanText(ms)).toBe(text);
});

test("numbers are grouped", () => {
  expect(countText(1_234_567)).toBe("1,234,567");
});
