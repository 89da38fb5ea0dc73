/**
 * A process of its own: the other clients of the live stream, which follow all runners, as pages
 * do, or a few each. Says "ready" once each was sent something, and, when its input ends, what all
 * of them were sent since, as one JSON line. Whoever measures does not wait behind their sockets.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { subjectOf } from "./fleet-load.ts";

const [liveUrl = "", ...numbers] = process.argv.slice(2);
const [runners = 1, walls = 0, pages = 0] = numbers.map(Number);
/** What each wall of pictures follows. */
const RUNNERS_EACH = 20;
const READ_BYTES = 65_536;

/** What each was sent. */
const bytesOf: number[] = [];
const aside = Buffer.alloc(READ_BYTES);

/** Takes what it is sent as a browser does, compressed, and throws it away into one buffer. */
async function follow(path: string): Promise<void> {
  const { hostname, port } = new URL(liveUrl);
  const index = bytesOf.push(0) - 1;
  const socket = connect({
    host: hostname,
    port: Number(port),
    onread: {
      buffer: aside,
      callback: (bytes) => {
        bytesOf[index] = (bytesOf[index] ?? 0) + bytes;
        return true;
      },
    },
  });
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\naccept-encoding: gzip\r\n\r\n`);
  await once(socket, "connect");
}

function namesFrom(first: number): string {
  return Array.from({ length: RUNNERS_EACH }, (_, index) =>
    subjectOf((first + index) % runners)
      .split(".")
      .slice(2)
      .join("/"),
  ).join(",");
}

const { pathname } = new URL(liveUrl);
for (let page = 0; page < pages; page++) await follow(pathname);
for (let wall = 0; wall < walls; wall++)
  await follow(`${pathname}?runner=${namesFrom(wall * RUNNERS_EACH)}`);
while (bytesOf.includes(0)) await delay(5);
const all = (): number => bytesOf.reduce((sum, bytes) => sum + bytes, 0);
const before = all();
process.stdout.write("ready\n");
process.stdin.resume();
await once(process.stdin, "end");
process.stdout.write(`${JSON.stringify({ mb: (all() - before) / 1e6 })}\n`);
process.exit(0);
