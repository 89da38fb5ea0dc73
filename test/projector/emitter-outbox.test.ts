import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Outbox } from "../../lib/projector/emitter-outbox.ts";
import type { OutboxEntry } from "../../lib/projector/emitter-outbox.ts";

describe("the outbox", () => {
  test("everything before the first unanswered entry is stored, in whatever order answers come", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_000 }),
        fc.infiniteStream(fc.nat()),
        (count, picks) => {
          const outbox = new Outbox();
          const open: OutboxEntry[] = [];
          for (let seq = 1; seq <= count; seq++) {
            const entry = { before: { seq: seq - 1, time: 1 }, bytes: 10, storedSeq: 0 };
            outbox.add(entry);
            open.push(entry);
          }
          for (let stored = 1; open.length > 0; stored++) {
            const index = (picks.next().value ?? 0) % Math.min(open.length, 50);
            const [entry] = open.splice(index, 1);
            if (entry !== undefined) outbox.settle(entry, stored);
            const first =
              open.length === 0 ? undefined : Math.min(...open.map(({ before }) => before.seq));
            if (stored % 97 === 0) expect(outbox.storedThrough?.seq).toBe(first);
          }
          expect(outbox.storedThrough).toBeUndefined();
          expect(outbox.size).toBe(0);
          expect(outbox.lastStoredSeq).toBe(count);
        },
      ),
      { numRuns: 20 },
    );
  });

  test("there is room for so many entries and so many bytes", () => {
    const many = new Outbox();
    for (let n = 0; n < 4_000; n++) {
      expect(many.room).toBe(4_000 - n);
      many.add({ before: { seq: n, time: 1 }, bytes: 1, storedSeq: 0 });
    }
    expect(many.room).toBe(0);
    const large = new Outbox();
    const entry = { before: { seq: 0, time: 1 }, bytes: 17_000_000, storedSeq: 0 };
    large.add(entry);
    expect(large.room).toBe(0);
    large.settle(entry, 1);
    expect(large.room).toBe(4_000);
  });
});
