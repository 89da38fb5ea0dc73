import fc from "fast-check";
import { expect, test } from "vitest";
import { newestUpTo } from "../../lib/nats/time-search.ts";
import type { Found } from "../../lib/nats/time-search.ts";

/** Messages by the gaps between them, in sequence and in time. */
const gaps = fc.array(fc.record({ seqs: fc.integer({ min: 1, max: 5 }), ms: fc.nat(2_000) }), {
  minLength: 1,
  maxLength: 120,
});

function messagesOf(list: readonly { readonly seqs: number; readonly ms: number }[]): Found[] {
  let [seq, time] = [7, 1_000];
  return list.map(({ seqs, ms }) => {
    seq += seqs;
    time += ms;
    return { seq, time };
  });
}

async function search(messages: readonly Found[], timeMs: number, near: readonly number[] = []) {
  let questions = 0;
  const next = async (seq: number): Promise<Found | undefined> => {
    questions += 1;
    return messages.find((message) => message.seq >= seq);
  };
  const [first] = messages as [Found];
  // The newest may have been removed: the stream's last sequence is then behind all that is left.
  const lastSeq = (messages.at(-1) as Found).seq + 2;
  return { found: await newestUpTo({ timeMs, first, lastSeq, near, next }), questions };
}

test("it is the one that looking at all of them finds, wherever it was looked for first", async () => {
  await fc.assert(
    fc.asyncProperty(gaps, fc.nat(250_000), fc.array(fc.nat(700)), async (list, later, near) => {
      const messages = messagesOf(list);
      const timeMs = (messages[0]?.time ?? 0) + later;
      const { found } = await search(messages, timeMs, near);
      expect(found).toEqual(messages.findLast(({ time }) => time <= timeMs));
    }),
  );
});

/** Ten million messages, a thousand a second, none of them kept in memory. */
async function questionsAmong(
  timeOf: (seq: number) => number,
  timeMs: number,
  near: readonly number[],
): Promise<number> {
  let questions = 0;
  const next = async (seq: number): Promise<Found> => {
    questions += 1;
    return { seq, time: timeOf(seq) };
  };
  const first = { seq: 1, time: timeOf(1) };
  const found = await newestUpTo({ timeMs, first, lastSeq: 10_000_000, near, next });
  expect(found.time).toBeLessThanOrEqual(timeMs);
  expect(timeOf(found.seq + 1)).toBeGreaterThan(timeMs);
  return questions;
}

test("where messages come evenly, a handful of questions does among ten million", async () => {
  expect(await questionsAmong((seq) => seq, 6_543_210, [])).toBeLessThan(8);
});

test("where they come in bursts it takes no more than five times as many as halving", async () => {
  const bursts = (seq: number) => Math.floor(seq / 1_000_000) * 86_400_000 + (seq % 1_000_000);
  for (let day = 0; day < 10; day++) {
    const timeMs = day * 86_400_000 + 777_777;
    expect(await questionsAmong(bursts, timeMs, [])).toBeLessThan(5 * 24);
  }
});

test("what is known to lie near makes it shorter, and what lies outside is passed over", async () => {
  const uneven = (seq: number) => Math.floor(seq ** 1.5);
  const timeMs = uneven(5_000_000);
  const far = await questionsAmong(uneven, timeMs, []);
  expect(await questionsAmong(uneven, timeMs, [4_999_000, 5_001_000])).toBeLessThan(far);
  expect(await questionsAmong(uneven, timeMs, [0, 20_000_000])).toBe(far);
});
