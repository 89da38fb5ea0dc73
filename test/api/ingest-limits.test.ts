import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IngestLimits } from "../../lib/api/ingest-limits.ts";

describe("the share of a client", () => {
  it("is a burst, then so many a second, and says when there is more", () => {
    let now = 0;
    const limits = new IngestLimits({ perSec: 2, burst: 4, clock: () => now });
    expect([1, 1, 1, 1].map((tokens) => limits.take("a", tokens))).toEqual([0, 0, 0, 0]);
    expect(limits.take("a", 1)).toBe(1);
    expect(limits.take("a", 4)).toBe(2);
    expect(limits.take("b", 1)).toBe(0);
    now += 500;
    expect(limits.take("a", 1)).toBe(0);
    expect(limits.take("a", 1)).toBe(1);
  });

  it("takes more than a burst at once from a full bucket only, on credit", () => {
    let now = 0;
    const limits = new IngestLimits({ perSec: 10, burst: 10, clock: () => now });
    expect(limits.take("a", 30)).toBe(0);
    expect(limits.take("a", 1)).toBe(3);
    now += 2_000;
    expect(limits.take("a", 1)).toBe(1);
    now += 1_000;
    expect(limits.take("a", 10)).toBe(0);
  });

  it("is never exceeded, whatever is asked for and when", () => {
    const step = fc.record({ waitMs: fc.nat(2_000), tokens: fc.integer({ min: 1, max: 12 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        let taken = 0;
        const limits = new IngestLimits({ perSec: 5, burst: 10, clock: () => now });
        for (const { waitMs, tokens } of steps) {
          now += waitMs;
          if (limits.take("a", tokens) === 0) taken += tokens;
          // One grant may go into debt by what it asks beyond a full bucket.
          expect(taken).toBeLessThanOrEqual(10 + (now / 1_000) * 5 + 12);
        }
      }),
    );
  });

  it("is remembered of so many clients only", () => {
    const limits = new IngestLimits({ perSec: 1, burst: 1, clock: () => 0 });
    limits.take("first", 1);
    for (let index = 0; index < 10_000; index++) limits.take(`client-${index}`, 1);
    expect(limits.take("client-9999", 1)).toBe(1);
    expect(limits.take("first", 1)).toBe(0);
  });
});
