import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Database } from "../../lib/store/sqlite.ts";
import type { Figures } from "./figures.ts";
import { HEARTBEATS, memoryOf, resetStreams, startCommand, stopCommand, until } from "./stage.ts";
import type { Stage } from "./stage.ts";

const RATES = [1_000, 10_000, 50_000];
const SECONDS = 8;
const RUNNERS = 10_000;

interface LiveResult {
  readonly lost: number;
  readonly p50: number;
  readonly p99: number;
  readonly rate: number;
}

/** Runs a load as a process of its own and takes its figures. */
export async function runProcess<Result>(
  file: string,
  args: readonly (string | number)[],
): Promise<Result> {
  const entry = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [entry, ...args.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => child.once("close", resolve));
  return JSON.parse(text) as Result;
}

export async function runLoad(args: readonly (string | number)[]): Promise<LiveResult> {
  return await runProcess("live-load.js", args);
}

/** Publish → visible in the database, with a real `runbeat projector` beside the load. */
export async function measureLive(stage: Stage, figures: Figures): Promise<void> {
  figures.heading(`Live fold, ${RUNNERS.toLocaleString("en-US")} runners (publish to committed)`);
  await resetStreams(stage);
  const dataDir = join(stage.dir, "live");
  mkdirSync(dataDir);
  const projector = startCommand(stage, dataDir, ["projector"]);
  const file = join(dataDir, "runbeat.db");
  try {
    await until(() => hasCheckpoint(file));
    for (const rate of RATES) {
      const base = (await stage.jsm.streams.info(HEARTBEATS)).state.last_seq;
      const result = await runLoad([stage.url, file, rate, SECONDS, RUNNERS, base]);
      const name = `${rate.toLocaleString("en-US")}/s`;
      figures.add(`${name}: p50`, result.p50, "ms");
      figures.add(`${name}: p99`, result.p99, "ms");
      if (result.lost > 0) figures.add(`${name}: not folded in time`, result.lost, "messages");
    }
    figures.add("projector's memory", memoryOf(projector.pid ?? 0).peakMb, "MB");
  } finally {
    await stopCommand(projector);
  }
}

export function hasCheckpoint(file: string): boolean {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    const row = db.prepare("select 1 from checkpoint where projection = 'latest_heartbeat'").get();
    db.close();
    return row !== undefined;
  } catch {
    return false;
  }
}
