/**
 * A process of its own: publishes heartbeats at a steady rate and follows the live stream for
 * them. Both times are taken here, on one clock. Prints one JSON line.
 */
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { quantile } from "./figures.ts";
import { bodyOf, subjectOf } from "./fleet-load.ts";

const [natsUrl = "", liveUrl = "", ...numbers] = process.argv.slice(2);
const [rate = 1, seconds = 1, runners = 1] = numbers.map(Number);
const total = rate * seconds;
/** The first part warms up and is not counted. */
const WARM_UP = 0.25;
const DRAIN_MS = 5_000;
const SEQ = /"heartbeat":\{"seq":(\d+)/;

const nc = await connect({ servers: natsUrl });
const published = new Float64Array(total);
const latency: number[] = [];
let sent = 0;
let seen = 0;

async function follow(url: string): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    get(url, { agent: false }, resolve).once("error", reject);
  });
}

function listen(response: IncomingMessage): void {
  let rest = "";
  response.on("data", (chunk: Buffer) => {
    const now = performance.now();
    const frames = (rest + chunk.toString("latin1")).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      if (!frame.includes("\nevent: runner\n")) continue;
      const seq = Number(SEQ.exec(frame)?.[1] ?? -1);
      if (seq < 0 || published[seq] === 0) continue;
      seen += 1;
      if (seq >= total * WARM_UP) latency.push(now - (published[seq] ?? 0));
    }
  });
}

listen(await follow(liveUrl));
const begin = performance.now();
const end = begin + seconds * 1000 + DRAIN_MS;
while (seen < total && performance.now() < end) {
  const due = Math.min(total, Math.floor(((performance.now() - begin) / 1000) * rate));
  for (; sent < due; sent++) {
    published[sent] = performance.now();
    nc.publish(subjectOf(sent % runners), bodyOf(sent % runners, sent));
  }
  await delay(1);
}
const counted = Float64Array.from(latency).toSorted();
const result = { seen, p50: quantile(counted, 0.5), p99: quantile(counted, 0.99) };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
