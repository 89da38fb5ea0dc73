import { expect, test } from "vitest";
import { StreamRate } from "../../lib/operator/stream-rate.ts";

test("a stream is busy by what came between the last two looks", () => {
  const rate = new StreamRate();
  expect(rate.isBusy).toBe(false);
  rate.see(1_000_000, 0);
  expect(rate.isBusy).toBe(false);
  rate.see(1_002_001, 1_000);
  expect(rate.isBusy).toBe(true);
  rate.see(1_062_000, 61_000);
  expect(rate.isBusy).toBe(false);
});
