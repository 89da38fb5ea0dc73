import { expect, test } from "vitest";
import { MarkPace } from "../../lib/operator/mark-pace.ts";

test("copying takes a tenth of the time, filling half of it, and looking is done once a second", () => {
  const pace = new MarkPace();
  pace.see(1_000, 0);
  pace.see(2_000, 1_000);
  expect(pace.restMs("copied", 100)).toBe(900);
  expect(pace.restMs("filled", 100)).toBe(100);
  expect(pace.restMs(undefined, 5)).toBe(1_000);
});

test("while much comes in, filling takes no more of the time than copying", () => {
  const pace = new MarkPace();
  pace.see(0, 0);
  pace.see(10_000, 1_000);
  expect(pace.restMs("filled", 100)).toBe(900);
  pace.see(10_500, 2_000);
  expect(pace.restMs("filled", 100)).toBe(100);
});

test("whoever slept through a piece of work rests for a minute at most", () => {
  expect(new MarkPace().restMs("copied", 3_600_000)).toBe(60_000);
});

test("while much comes in, the stretches that copying itself leaves are not filled", () => {
  const pace = new MarkPace();
  pace.see(0, 0);
  pace.see(10_000, 1_000);
  expect(pace.minStretch(6_250)).toBe(12_500);
  pace.copied(100_000);
  pace.copied(120_000);
  expect(pace.minStretch(6_250)).toBe(40_000);
  pace.copied(126_250);
  expect(pace.minStretch(6_250)).toBe(12_500);
});

test("they are filled once it is quiet, also where no other copy follows", () => {
  const pace = new MarkPace();
  pace.see(0, 0);
  pace.see(8_000_000, 1_000);
  pace.copied(0);
  pace.copied(8_000_000);
  expect(pace.minStretch(6_250)).toBe(16_000_000);
  pace.see(8_000_000, 2_000);
  expect(pace.minStretch(6_250)).toBe(12_500);
});

test("a clock that stands still makes no rate", () => {
  const pace = new MarkPace();
  pace.see(0, 5);
  pace.see(1_000_000, 5);
  expect(pace.restMs("filled", 10)).toBe(10);
});
