import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Figures } from "./figures.ts";
import { hasCheckpoint, runProcess } from "./live.ts";
import { statusOf } from "./api.ts";
import {
  freePort,
  memoryOf,
  resetStreams,
  fill,
  startCommand,
  stopCommand,
  until,
} from "./stage.ts";
import type { Stage } from "./stage.ts";

const RUNNERS = 10_000;
const RATE = 10_000;
const SECONDS = 10;
/** Who follows beside the one that is measured: walls follow 20 runners each, pages all of them. */
const CROWDS = [
  { name: "one client", walls: 0, pages: 0 },
  { name: "one of 500 clients, each other with 20 runners", walls: 499, pages: 0 },
  { name: "one of 500 clients, 50 of them pages", walls: 450, pages: 49 },
  { name: "one of 500 clients, all of them pages", walls: 0, pages: 499 },
];

interface ClientResult {
  readonly seen: number;
  readonly mbToOthers: number;
  readonly p50: number;
  readonly p99: number;
}

/** Publish → a client of the live stream, with a real projector and a real API. */
export async function measureClients(stage: Stage, figures: Figures): Promise<void> {
  const [rate, runners] = [RATE, RUNNERS].map((number) => number.toLocaleString("en-US"));
  figures.heading(`Live stream, ${runners} runners, ${rate} heartbeats/s (publish to client)`);
  await resetStreams(stage);
  await fill(stage, RUNNERS, 1);
  const dataDir = join(stage.dir, "clients");
  mkdirSync(dataDir);
  const projector = startCommand(stage, dataDir, ["projector"]);
  const port = await freePort();
  await until(() => hasCheckpoint(join(dataDir, "runbeat.db")));
  const api = startCommand(stage, dataDir, ["api"], { RUNBEAT_HTTP_PORT: String(port) });
  try {
    const origin = `http://127.0.0.1:${port}`;
    await until(async () => (await statusOf(`${origin}/readyz`)) === 200);
    for (const { name, walls, pages } of CROWDS) {
      const args = [stage.url, `${origin}/api/v1/live`, RATE, SECONDS, RUNNERS, walls, pages];
      const result = await runProcess<ClientResult>("client-load.js", args);
      figures.add(`${name}: p50`, result.p50, "ms");
      figures.add(`${name}: p99`, result.p99, "ms");
      figures.add(`${name}: told of those published`, result.seen / (RATE * SECONDS), "");
      if (walls + pages > 0) figures.add(`${name}: to the others`, result.mbToOthers, "MB");
    }
    figures.add("API's memory, highest", memoryOf(api.pid ?? 0).peakMb, "MB");
  } finally {
    await stopCommand(api);
    await stopCommand(projector);
  }
}
