import { Agent, get } from "node:http";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { quantile } from "./figures.ts";
import type { Figures } from "./figures.ts";
import { hasCheckpoint, runLoad } from "./live.ts";
import {
  HEARTBEATS,
  fill,
  freePort,
  memoryOf,
  resetStreams,
  startCommand,
  stopCommand,
  until,
} from "./stage.ts";
import type { Stage } from "./stage.ts";

const RUNNERS = 100_000;
const RATE = 10_000;
const SECONDS = 15;
/** Between two requests: a person and a script look, they do not storm. */
const PAUSE_MS = 20;

const PAGES = [
  ["page of 100 runners, worst first", "/api/v1/runners"],
  ["page of 100 runners, by name", "/api/v1/runners?sort=runner"],
  ["page of 100 online runners of one host", "/api/v1/runners?status=online&host=edge-7"],
  ["page of 100 processes", "/api/v1/processes"],
  ["summary", "/api/v1/summary"],
] as const;

/** Pages of 100,000 runners while 10,000 heartbeats a second are folded. */
export async function measureApi(stage: Stage, figures: Figures): Promise<void> {
  figures.heading(
    `Read API, ${RUNNERS.toLocaleString("en-US")} runners, ${RATE.toLocaleString("en-US")} heartbeats/s`,
  );
  await resetStreams(stage);
  await fill(stage, RUNNERS, 1);
  const dataDir = join(stage.dir, "api");
  mkdirSync(dataDir);
  const projector = startCommand(stage, dataDir, ["projector"]);
  const file = join(dataDir, "runbeat.db");
  const port = await freePort();
  await until(() => hasCheckpoint(file));
  const api = startCommand(stage, dataDir, ["api"], { RUNBEAT_HTTP_PORT: String(port) });
  try {
    const origin = `http://127.0.0.1:${port}`;
    await until(async () => (await statusOf(`${origin}/readyz`)) === 200);
    const base = (await stage.jsm.streams.info(HEARTBEATS)).state.last_seq;
    const load = runLoad([stage.url, file, RATE, SECONDS, RUNNERS, base]);
    const times = await askInTurn(origin, performance.now() + SECONDS * 1000);
    const { p99 } = await load;
    for (const [index, [name]] of PAGES.entries()) {
      const sorted = Float64Array.from(times[index] ?? []).toSorted();
      figures.add(`${name}: p50`, quantile(sorted, 0.5), "ms");
      figures.add(`${name}: p99`, quantile(sorted, 0.99), "ms");
    }
    figures.add("publish to committed meanwhile: p99", p99, "ms");
    figures.add("API's memory, highest", memoryOf(api.pid ?? 0).peakMb, "MB");
    figures.add("projector's memory, highest", memoryOf(projector.pid ?? 0).peakMb, "MB");
  } finally {
    await stopCommand(api);
    await stopCommand(projector);
  }
}

async function askInTurn(origin: string, endMs: number): Promise<number[][]> {
  const times: number[][] = PAGES.map(() => []);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let turn = 0; performance.now() < endMs; turn++) {
    const index = turn % PAGES.length;
    const path = PAGES[index]?.[1] ?? "/";
    const begin = performance.now();
    const status = await statusOf(`${origin}${path}`, agent);
    if (status !== 200) throw new Error(`${path} answered ${status}`);
    times[index]?.push(performance.now() - begin);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  agent.destroy();
  return times;
}

/** The status of an answer that was read whole; 0 where nobody answers. */
export async function statusOf(url: string, agent?: Agent): Promise<number> {
  return await new Promise((resolve) => {
    get(url, agent === undefined ? {} : { agent }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
    }).once("error", () => resolve(0));
  });
}
