/**
 * A process of its own: publishes heartbeats at a steady rate and follows the live stream for
 * them, among other clients that each follow a few runners. Both times are taken here, on one
 * clock. Prints one JSON line.
 */
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect } from "@nats-io/transport-node";
import { quantile } from "./figures.ts";
import { bodyOf, subjectOf } from "./fleet-load.ts";

const [natsUrl = "", liveUrl = "", rateText = "", secondsText = "", runnersText = "", more = ""] =
  process.argv.slice(2);
const rate = Number(rateText);
const total = rate * Number(secondsText);
const runners = Number(runnersText);
const others = Number(more);
/** The first part warms up and is not counted. */
const WARM_UP = 0.25;
const DRAIN_MS = 5_000;
/** What each of the other clients follows: a wall of pictures. */
const RUNNERS_EACH = 20;
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

function namesFrom(first: number): string {
  return Array.from({ length: RUNNERS_EACH }, (_, index) =>
    subjectOf((first + index) % runners)
      .split(".")
      .slice(2)
      .join("/"),
  ).join(",");
}

listen(await follow(liveUrl));
for (let client = 0; client < others; client++) {
  const wall = await follow(`${liveUrl}?runner=${namesFrom(client * RUNNERS_EACH)}`);
  wall.resume();
}
const begin = performance.now();
const end = begin + Number(secondsText) * 1000 + DRAIN_MS;
while (seen < total && performance.now() < end) {
  const due = Math.min(total, Math.floor(((performance.now() - begin) / 1000) * rate));
  for (; sent < due; sent++) {
    published[sent] = performance.now();
    nc.publish(subjectOf(sent % runners), bodyOf(sent % runners, sent));
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
const counted = Float64Array.from(latency).toSorted();
const result = { seen, p50: quantile(counted, 0.5), p99: quantile(counted, 0.99) };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
