import fc from "fast-check";
import { expect, test } from "vitest";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { PassedHeartbeats } from "../../lib/projector/emitter-passed.ts";
import type { PassedHeartbeat } from "../../lib/projector/emitter-passed.ts";
import { SampledRunner } from "../../lib/projector/emitter-snapshots.ts";

const MAX_PASSED = 4_096;
const runners = ["camera/a/b", "camera/c/d"].map((id) => new SampledRunner(id as RunnerId));

/** Up to a little more than there is room for in place. */
const body = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.uint8Array({ minLength: 510, maxLength: 516 }),
);

function textOf({ subject, runner, data, seq, timeMs }: PassedHeartbeat): string {
  return `${subject} ${runner.id} ${seq} ${timeMs} ${Buffer.from(data).toString("latin1")}`;
}

test("gives back what came since a time as it came, the newest that there is room for", () => {
  fc.assert(
    fc.property(
      fc.array(body, { minLength: 1, maxLength: 12 }),
      fc.constantFrom(0, 1, 3, MAX_PASSED - 5, MAX_PASSED, MAX_PASSED + 7),
      fc.nat(MAX_PASSED),
      (bodies, before, since) => {
        const passed = new PassedHeartbeats();
        const all = Array.from({ length: before + bodies.length }, (_, index) => ({
          subject: `s${index % 2}`,
          runner: runners[index % 2] as SampledRunner,
          data: bodies[index % bodies.length] as Uint8Array,
          seq: index + 1,
          timeMs: 1_000 + index,
        }));
        for (const one of all) passed.add(one);
        const kept = all.slice(-MAX_PASSED).filter(({ timeMs }) => timeMs >= 1_000 + since);
        expect(passed.since(1_000 + since).map(textOf)).toEqual(kept.map(textOf));
      },
    ),
    { numRuns: 50 },
  );
});

test("keeps a copy: the bytes that were handed over are soon another message's", () => {
  for (const length of [5, 600]) {
    const passed = new PassedHeartbeats();
    const data = Buffer.alloc(length, 7);
    passed.add({ subject: "s", runner: runners[0] as SampledRunner, data, seq: 1, timeMs: 1 });
    data.fill(0);
    expect(passed.since(0)[0]?.data).toEqual(new Uint8Array(length).fill(7));
  }
});
