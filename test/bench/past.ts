/**
 * A recorded day, and the fleet as it was at random moments of it: how long that takes, and
 * whether it is what a slow fold from the day's beginning gives, row by row.
 */
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_THRESHOLDS } from "../../lib/core/status.ts";
import { DEFAULT_PREFIXES, streamName } from "../../lib/core/subject.ts";
import { openReader } from "../../lib/nats/ordered-reader.ts";
import type { StreamMessage } from "../../lib/nats/ordered-reader.ts";
import { checkExport } from "../../lib/operator/export-reader.ts";
import { importStreams } from "../../lib/operator/import-streams.ts";
import { openStateAt } from "../../lib/operator/state-at.ts";
import { decoderOf } from "../../lib/projector/decode.ts";
import { openMarkStore } from "../../lib/store/mark-store.ts";
import { Database } from "../../lib/store/sqlite.ts";
import { projections } from "../../projections/index.ts";
import type { AnyProjection, FoldedStream } from "../../projections/projection.ts";
import { Random } from "../chaos/random.ts";
import { plainRow, tablesOf } from "../support/plain-fold.ts";
import { writeRecordedDay } from "../support/recorded-day.ts";
import { statusOf } from "./api.ts";
import { quantile } from "./figures.ts";
import type { Figures } from "./figures.ts";
import {
  deleteStreams,
  freePort,
  runCommand,
  startCommand,
  stopCommand,
  streamLimits,
  until,
} from "./stage.ts";
import type { Stage } from "./stage.ts";

const SEED = 312;
const RUNNERS = 10_000;
/** A tenth of the usual rate: runners count, not heartbeats. */
const EVERY_SEC = 100;
const MOMENTS = 100;
const HOUR_MS = 3_600_000;
/** No moment is asked for that is nearer to either end. */
const EDGE_MS = 60_000;
/** Filling the gaps between marks takes its time, at a low priority. */
const MARKS_MS = 1_200_000;
/** Marks that have not grown in number for so long are all there. */
const SETTLED_MS = 30_000;
const LOOK_EVERY_MS = 500;
const MAX_MARK_BYTES = 2 ** 32;

/** @param hours how much of a day is recorded. */
export async function measurePast(stage: Stage, figures: Figures, hours: number): Promise<void> {
  figures.heading(`The past: ${hours} h of ${RUNNERS.toLocaleString("en-US")} runners`);
  const fromMs = Date.now() - (hours + 1) * HOUR_MS;
  const messages = await record(stage, fromMs, hours * HOUR_MS);
  figures.add("heartbeats recorded", messages, "messages");
  const random = new Random(SEED);
  const spanMs = hours * HOUR_MS - 2 * EDGE_MS;
  const moments = Array.from(
    { length: MOMENTS },
    () => fromMs + EDGE_MS + Math.floor((random.below(1_000_000) / 1_000_000) * spanMs),
  );
  const dataDir = join(stage.dir, "past");
  mkdirSync(dataDir);
  const projector = startCommand(stage, dataDir, ["projector"]);
  const file = join(dataDir, "runbeat.db");
  try {
    const begin = performance.now();
    await untilSeldom(() => foldedUpTo(file) >= messages);
    figures.add("folded after", (performance.now() - begin) / 1000, "s");
    const marks = await settledMarks(dataDir);
    figures.add("marks there after", (performance.now() - SETTLED_MS - begin) / 1000, "s");
    figures.add("marks", marks, "");
    await askForMoments(stage, figures, dataDir, moments);
    await compareMoments(stage, figures, dataDir, moments);
  } finally {
    await stopCommand(projector);
  }
}

async function record({ nc, jsm, dir }: Stage, fromMs: number, durationMs: number) {
  const file = join(dir, "day.ndjson.gz");
  const day = { seed: SEED, runners: RUNNERS, fromMs, durationMs, everySec: EVERY_SEC };
  const { streams } = await writeRecordedDay(file, { ...day, snapshotEverySec: 600 });
  await deleteStreams(jsm);
  const options = { prefixes: DEFAULT_PREFIXES, limits: streamLimits() };
  await importStreams({ nc, jsm, streams: options, export: await checkExport(file) });
  return streams.heartbeats?.messages ?? 0;
}

/** Looking takes time of those who are looked at. */
async function untilSeldom(condition: () => boolean): Promise<void> {
  const end = performance.now() + MARKS_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error("the bench waited in vain");
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function settledMarks(dataDir: string): Promise<number> {
  let marks = 0;
  let changedAt = performance.now();
  await untilSeldom(() => {
    const now = marksIn(dataDir);
    if (now !== marks) changedAt = performance.now();
    marks = now;
    return performance.now() - changedAt > SETTLED_MS;
  });
  return marks;
}

function foldedUpTo(file: string): number {
  return ask(
    file,
    "select seq from checkpoint where projection = 'process_heartbeat' and lane = 'main'",
  );
}

function marksIn(dataDir: string): number {
  return ask(join(dataDir, "marks.db"), "select count(*) from mark");
}

/** 0 while there is no such file or table. */
function ask(file: string, sql: string): number {
  try {
    const db = new Database(file, { readonly: true, fileMustExist: true });
    try {
      return Number(db.prepare(sql).pluck().get() ?? 0);
    } finally {
      db.close();
    }
  } catch {
    return 0;
  }
}

/** As a page asks, each moment for the first time. */
async function askForMoments(
  stage: Stage,
  figures: Figures,
  dataDir: string,
  moments: readonly number[],
): Promise<void> {
  const port = await freePort();
  const api = startCommand(stage, dataDir, ["api"], { RUNBEAT_HTTP_PORT: String(port) });
  const pages: number[] = [];
  const commands: number[] = [];
  try {
    const origin = `http://127.0.0.1:${port}`;
    await until(async () => (await statusOf(`${origin}/readyz`)) === 200);
    for (const at of moments) {
      const time = new Date(at).toISOString();
      const path = `/api/v1/runners?at=${time}`;
      pages.push(await timeOf(async () => expectOk(path, await statusOf(origin + path))));
      // Half a minute later it is another moment, of which nobody has asked yet.
      const later = new Date(at + EDGE_MS / 2).toISOString();
      const command = ["state", "--at", later, "--url", origin, "--status", "offline"];
      commands.push(await timeOf(async () => await runCommand(stage, dataDir, command)));
    }
  } finally {
    await stopCommand(api);
  }
  for (const [what, times] of [
    ["page of runners", pages],
    ["state --at --status offline", commands],
  ] as const) {
    const sorted = Float64Array.from(times).toSorted();
    figures.add(`${what} at a random moment: p50`, quantile(sorted, 0.5), "ms");
    figures.add(`${what} at a random moment: p95`, quantile(sorted, 0.95), "ms");
  }
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

function expectOk(path: string, status: number): void {
  if (status !== 200) throw new Error(`${path} answered ${status}`);
}

async function compareMoments(
  stage: Stage,
  figures: Figures,
  dataDir: string,
  moments: readonly number[],
): Promise<void> {
  const sorted = moments.toSorted((a, b) => a - b);
  const slow = await slowDigests(stage, sorted);
  const marks = openMarkStore(join(dataDir, "marks.db"), MAX_MARK_BYTES);
  let different = 0;
  for (const [index, at] of sorted.entries()) {
    const state = await openStateAt({
      nc: stage.nc,
      prefixes: DEFAULT_PREFIXES,
      projections,
      thresholds: DEFAULT_THRESHOLDS,
      at,
      liveFile: join(dataDir, "runbeat.db"),
      marks,
    });
    const tables = tablesOf(state.db, STATUS_PROJECTIONS);
    state.close();
    for (const { table } of STATUS_PROJECTIONS) {
      if (digest(tables[table.name] ?? []) !== slow[index]?.[table.name]) different += 1;
    }
  }
  marks.close();
  figures.add("tables compared with a slow fold", MOMENTS * STATUS_PROJECTIONS.length, "");
  figures.add("tables that differ", different, "");
}

/** Those whose rows change; the others are held row by row in the suite. */
const STATUS_PROJECTIONS: readonly AnyProjection[] = projections.filter(
  ({ appends, stream }) => !appends && (stream === "heartbeats" || stream === "events"),
);

type Digests = Record<string, string>;

/** One pass over each stream in plain maps; at each moment, what the rows then were. */
async function slowDigests(stage: Stage, moments: readonly number[]): Promise<Digests[]> {
  const digests: Digests[] = moments.map(() => ({}));
  for (const stream of ["heartbeats", "events"] as const) {
    const folds = STATUS_PROJECTIONS.filter((projection) => projection.stream === stream).map(
      (projection) => ({ projection, rows: new Map<string, object>() }),
    );
    const decode = decoderOf(stream satisfies FoldedStream, DEFAULT_PREFIXES);
    let next = 0;
    const note = (): void => {
      for (const { projection, rows } of folds) {
        const list = [...rows.values()].map((row) => plainRow(row as Record<string, unknown>));
        (digests[next] as Digests)[projection.table.name] = digest(ordered(projection, list));
      }
      next += 1;
    };
    await readWhole(stage, streamName(DEFAULT_PREFIXES, stream), (message) => {
      while (next < moments.length && message.timeMs > (moments[next] ?? 0)) note();
      const decoded = decode(message);
      if (decoded === undefined) return;
      for (const { projection, rows } of folds) {
        const key = projection.key(decoded);
        if (key === undefined) continue;
        const row = projection.evolve(rows.get(key), decoded) as object | undefined;
        if (row !== undefined) rows.set(key, row);
      }
    });
    while (next < moments.length) note();
  }
  return digests;
}

/** A reader that loses its way ends: another goes on behind the last message. */
const MAX_READERS = 20;

/** @throws when the server stops sending before the end, again and again. */
async function readWhole(
  { nc, jsm }: Stage,
  stream: string,
  onMessage: (message: StreamMessage) => void,
): Promise<void> {
  let seq = 0;
  let isAtEnd = false;
  let why = "";
  for (let readers = 0; !isAtEnd && readers < MAX_READERS; readers++) {
    const reader = await openReader({
      nc,
      jsm,
      stream,
      start: { fromSeq: seq + 1 },
      onMessage: (message) => {
        onMessage(message);
        ({ seq } = message);
        isAtEnd = message.pending === 0;
        return !isAtEnd;
      },
    });
    why = await reader.ended;
    await reader.close();
  }
  if (!isAtEnd) throw new Error(`${stream} was not read to its end: ${why}`);
}

type Row = Record<string, unknown>;

function ordered({ table }: AnyProjection, rows: readonly Row[]): Row[] {
  const nameOf = (row: Row) =>
    table.key.map((column) => String(row[column]).padStart(16, "0")).join("|");
  return rows.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** The same for the same rows, whatever the order of their columns. */
function digest(rows: readonly Row[]): string {
  const hash = createHash("sha1");
  for (const row of rows) hash.update(JSON.stringify(Object.entries(row).toSorted(byName)));
  return hash.digest("hex");
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}
