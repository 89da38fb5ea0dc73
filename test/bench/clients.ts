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

interface ClientResult {
  readonly seen: number;
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
    for (const others of [0, 499]) {
      const args = [stage.url, `${origin}/api/v1/live`, RATE, SECONDS, RUNNERS, others];
      const { seen, p50, p99 } = await runProcess<ClientResult>("client-load.js", args);
      const name = others === 0 ? "one client" : `one of ${others + 1} clients`;
      figures.add(`${name}: p50`, p50, "ms");
      figures.add(`${name}: p99`, p99, "ms");
      figures.add(`${name}: heartbeats told of those published`, seen / (RATE * SECONDS), "");
    }
    figures.add("API's memory, highest", memoryOf(api.pid ?? 0).peakMb, "MB");
  } finally {
    await stopCommand(api);
    await stopCommand(projector);
  }
}
