/** What this machine can do without us: the limits that our own figures are held against. */
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { Database } from "../../lib/store/sqlite.ts";
import { openReader } from "../../lib/nats/ordered-reader.ts";
import type { StreamMessage } from "../../lib/nats/ordered-reader.ts";
import type { Figure, Figures } from "./figures.ts";
import { HEARTBEATS } from "./stage.ts";
import type { Stage } from "./stage.ts";

export interface BareLimits {
  readonly ordered: Figure;
  readonly upserts: Figure;
}

/** The fastest of some runs: the limit is what the machine can do, not what it did once. */
async function best(runs: number, run: () => Promise<number>): Promise<number> {
  let most = 0;
  for (let index = 0; index < runs; index++) most = Math.max(most, await run());
  return most;
}

async function orderedDrain(
  { nc }: Stage,
  count: number,
  each: (data: Uint8Array) => void,
): Promise<number> {
  const consumer = await jetstream(nc).consumers.get(HEARTBEATS, {});
  const begin = performance.now();
  await new Promise<void>((resolve) => {
    let left = count;
    void consumer.consume({
      max_messages: 5_000,
      callback: (message) => {
        each(message.data);
        left -= 1;
        if (left === 0) resolve();
      },
    });
  });
  const rate = (count / (performance.now() - begin)) * 1000;
  await consumer.delete().catch(() => false);
  return rate;
}

async function pushDrain({ nc, jsm }: Stage, count: number): Promise<number> {
  let left = count;
  const onMessage = (_message: StreamMessage) => --left > 0;
  const begin = performance.now();
  const reader = await openReader({
    nc,
    jsm,
    stream: HEARTBEATS,
    start: { fromSeq: 1 },
    onMessage,
  });
  await reader.ended;
  const rate = (count / (performance.now() - begin)) * 1000;
  await reader.close();
  return rate;
}

function upserts(stage: Stage): number {
  const db = new Database(join(stage.dir, "bare.db"));
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = NORMAL");
  db.exec("create table t (runner text primary key, seq integer, fps real, error text)");
  const upsert = db.prepare(
    "insert into t values (?, ?, ?, ?) on conflict (runner) do update set seq = excluded.seq, fps = excluded.fps, error = excluded.error",
  );
  const names = Array.from({ length: 10_000 }, (_, index) => `camera/cam${index}/hd`);
  const total = 500_000;
  const begin = performance.now();
  for (let done = 0; done < total; done += names.length) {
    db.transaction(() => {
      for (const name of names) upsert.run(name, done, 24.9, "");
    })();
  }
  const rate = (total / (performance.now() - begin)) * 1000;
  db.close();
  return rate;
}

/** Needs a filled stream. */
export async function measureBare(
  stage: Stage,
  figures: Figures,
  count: number,
): Promise<BareLimits> {
  figures.heading("Bare limits of this machine");
  const decoder = new TextDecoder();
  const parse = (data: Uint8Array) => void JSON.parse(decoder.decode(data));
  const ordered = figures.add(
    "ordered consumer drain (callback, 5,000 a pull)",
    await best(3, () => orderedDrain(stage, count, () => undefined)),
    "messages/s",
  );
  figures.add(
    "ordered consumer drain + JSON.parse",
    await best(2, () => orderedDrain(stage, count, parse)),
    "messages/s",
    ordered,
  );
  figures.add(
    "push consumer drain (our reader)",
    await best(3, () => pushDrain(stage, count)),
    "messages/s",
    ordered,
  );
  return {
    ordered,
    upserts: figures.add("SQLite upserts, 10,000 a transaction", upserts(stage), "rows/s"),
  };
}
