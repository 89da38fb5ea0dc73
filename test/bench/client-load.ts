/**
 * A process of its own: publishes heartbeats at a steady rate and follows the live stream for
 * them, among other clients that follow all runners, as pages do, or a few each. Both times are
 * taken here, on one clock. Prints one JSON line.
 */
import { once } from "node:events";
import { get } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect as connectSocket } from "node:net";
import type { Socket } from "node:net";
import { connect } from "@nats-io/transport-node";
import { quantile } from "./figures.ts";
import { bodyOf, subjectOf } from "./fleet-load.ts";

const [natsUrl = "", liveUrl = "", rateText = "", secondsText = "", runnersText = "", ...more] =
  process.argv.slice(2);
const rate = Number(rateText);
const total = rate * Number(secondsText);
const runners = Number(runnersText);
const [walls = 0, pages = 0] = more.map(Number);
/** The first part warms up and is not counted. */
const WARM_UP = 0.25;
const DRAIN_MS = 5_000;
/** What each wall of pictures follows. */
const RUNNERS_EACH = 20;
const READ_BYTES = 65_536;
/** Between two times that one of the others takes something. */
const REST_MS = 50;
const SEQ = /"heartbeat":\{"seq":(\d+)/;

const nc = await connect({ servers: natsUrl });
const published = new Float64Array(total);
const latency: number[] = [];
/** What each of the others was sent. */
const bytesOf: number[] = [];
let sent = 0;
let seen = 0;

const aside = Buffer.alloc(READ_BYTES);
/** The others that have just taken something, in the order in which they take more. */
const resting: { readonly socket: Socket; readonly until: number }[] = [];

async function follow(url: string): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    get(url, { agent: false }, resolve).once("error", reject);
  });
}

/**
 * Takes what it is sent as a browser does, compressed, and throws it away into one buffer. It takes
 * what has come 20 times a second: clients are elsewhere, and what theirs would cost these cores,
 * which all of them share here, is not the API's.
 */
async function followAside(path: string): Promise<void> {
  const { hostname, port } = new URL(liveUrl);
  const index = bytesOf.push(0) - 1;
  const socket = connectSocket({
    host: hostname,
    port: Number(port),
    onread: {
      buffer: aside,
      callback: (bytes) => {
        bytesOf[index] = (bytesOf[index] ?? 0) + bytes;
        resting.push({ socket, until: performance.now() + REST_MS });
        return false;
      },
    },
  });
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\naccept-encoding: gzip\r\n\r\n`);
  await once(socket, "connect");
}

function wakeOthers(): void {
  const now = performance.now();
  const due = resting.findIndex(({ until }) => until > now);
  for (const { socket } of resting.splice(0, due < 0 ? resting.length : due)) socket.resume();
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
const { pathname } = new URL(liveUrl);
for (let page = 0; page < pages; page++) await followAside(pathname);
for (let wall = 0; wall < walls; wall++)
  await followAside(`${pathname}?runner=${namesFrom(wall * RUNNERS_EACH)}`);
while (bytesOf.some((bytes) => bytes === 0)) {
  wakeOthers();
  await new Promise((resolve) => setTimeout(resolve, 5));
}
const bytesBefore = bytesOf.reduce((sum, bytes) => sum + bytes, 0);
const begin = performance.now();
const end = begin + Number(secondsText) * 1000 + DRAIN_MS;
while (seen < total && performance.now() < end) {
  wakeOthers();
  const due = Math.min(total, Math.floor(((performance.now() - begin) / 1000) * rate));
  for (; sent < due; sent++) {
    published[sent] = performance.now();
    nc.publish(subjectOf(sent % runners), bodyOf(sent % runners, sent));
  }
  await new Promise((resolve) => setTimeout(resolve, 1));
}
const counted = Float64Array.from(latency).toSorted();
const mbToOthers = (bytesOf.reduce((sum, bytes) => sum + bytes, 0) - bytesBefore) / 1e6;
const result = { seen, mbToOthers, p50: quantile(counted, 0.5), p99: quantile(counted, 0.99) };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
