import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LiveLog } from "../../lib/api/live-log.ts";

const change = fc.record({
  runner: fc.nat(12).map((number) => `camera/n${number}/hd`),
  isGone: fc.boolean(),
});

describe("the log of what changed", () => {
  it("brings whoever follows it, at whatever pace, to the same fleet", () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 200 }),
        fc.array(fc.record({ every: fc.integer({ min: 1, max: 40 }), limit: fc.nat(5) })),
        (changes, followers) => {
          const log = new LiveLog();
          const fleet = new Set<string>();
          const copies = followers.map((pace) => ({
            ...pace,
            version: 0,
            fleet: new Set<string>(),
          }));
          const catchUp = (copy: (typeof copies)[number], limit: number): void => {
            for (const { version, runner, isGone } of log.after(copy.version, limit)) {
              if (isGone) copy.fleet.delete(runner);
              else copy.fleet.add(runner);
              copy.version = version;
            }
          };
          for (const [index, { runner, isGone }] of changes.entries()) {
            log.note(runner, isGone);
            if (isGone) fleet.delete(runner);
            else fleet.add(runner);
            for (const copy of copies) if (index % copy.every === 0) catchUp(copy, copy.limit + 1);
          }
          for (const copy of copies) {
            while (log.after(copy.version, 1).length > 0) catchUp(copy, copy.limit + 1);
            expect([...copy.fleet].toSorted()).toEqual([...fleet].toSorted());
          }
          expect([...log.runners()].toSorted()).toEqual([...fleet].toSorted());
        },
      ),
    );
  });

  it("tells a runner that changed often only once", () => {
    const log = new LiveLog();
    for (let round = 0; round < 10_000; round++) log.note(`camera/n${round % 3}/hd`, false);
    expect(log.after(0, 100).map(({ version }) => version)).toEqual([9_998, 9_999, 10_000]);
  });

  it("does not reach back behind runners that were gone too long ago to be remembered", () => {
    const log = new LiveLog();
    for (let number = 0; number < 30_000; number++) {
      log.note(`camera/n${number}/hd`, false);
      log.note(`camera/n${number}/hd`, true);
    }
    expect(log.reaches(1)).toBe(false);
    expect(log.reaches(log.version)).toBe(true);
    expect(log.after(0, 100_000).length).toBeLessThan(20_000);
  });

  it("says nothing of strangers that are gone", () => {
    const log = new LiveLog();
    log.note("camera/a/hd", true);
    expect(log.version).toBe(0);
    expect(log.after(0, 1)).toEqual([]);
  });
});
