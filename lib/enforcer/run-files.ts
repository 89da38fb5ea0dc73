/** The files of runs: a record, reports and output beside each other, one folder a runner. */
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { KernelIdentity } from "../core/host-processes.ts";
import { tryParseRunnerId } from "../core/runner-id.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { Report, RunFiles } from "../core/supervision.ts";
import type { RunProcess } from "./driver.ts";

const OWNER_ONLY = 0o600;
/** Older runs go, by number and by bytes; the newest stays whatever it takes. */
const MAX_RUNS = 10;
const MAX_RUN_BYTES = 8_388_608;
/** Runs whose end could not be told yet, as while NATS is away, are kept longer. */
const MAX_UNTOLD_RUNS = 50;

/** How a run ended. */
export interface RunEnd {
  /** Epoch ms. */
  readonly at: number;
  readonly ranSec: number;
  readonly reason: string;
  readonly isPermanent: boolean;
}

/** What the next enforcer must know of a run; never a secret. */
export interface RunRecord {
  readonly runner: RunnerId;
  /** When it was started, epoch ms; unique for its runner. */
  readonly run: number;
  readonly kind: "camera" | "command";
  /** Everything that belongs to the run carries it in its environment. */
  readonly mark: string;
  /** The supervised process. */
  readonly process: KernelIdentity;
  readonly attempt: number;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The process that beats; null until it was spawned. */
  beats: (RunProcess & { readonly startTicks: number | null }) | null;
  /** Its reports up to this one were taken. */
  seen: number;
  /** What it told of its end itself, which may be taken before it is gone. */
  lastWords: { readonly at: number; readonly report: Report } | null;
  /** Null while it lives. */
  end: RunEnd | null;
  /** What we say of its end, where the run could not. */
  lastReport: Report | null;
  /** Its end was taken. */
  isTold: boolean;
  /** Its end was decided on. */
  isSettled: boolean;
}

/** Where a runner's runs lie. Tokens hold no dots, so that the name can be read back. */
function runnerFolder(runsDir: string, runner: RunnerId): string {
  return join(runsDir, runner.replaceAll("/", "."));
}

export function runFiles(runsDir: string, runner: RunnerId, run: number): RunFiles {
  const base = join(runnerFolder(runsDir, runner), String(run));
  return { reports: `${base}.ndjson`, log: `${base}.log` };
}

/** Every runner that has runs here. */
export function listRunners(runsDir: string): RunnerId[] {
  return namesIn(runsDir).flatMap((name) => tryParseRunnerId(name.replaceAll(".", "/")) ?? []);
}

/** A runner's runs by number, oldest first. */
export function listRuns(runsDir: string, runner: RunnerId): number[] {
  const runs = namesIn(runnerFolder(runsDir, runner))
    .map((name) => /^(\d+)\.(?:json|log)$/.exec(name)?.[1])
    .filter((run) => run !== undefined)
    .map(Number);
  return [...new Set(runs)].toSorted((a, b) => a - b);
}

/** Undefined where there is none that can be read. */
export function readRecord(runsDir: string, runner: RunnerId, run: number): RunRecord | undefined {
  try {
    const text = readFileSync(recordFile(runsDir, runner, run), "utf8");
    const record = JSON.parse(text) as RunRecord;
    return record.runner === runner && record.run === run ? record : undefined;
  } catch {
    return undefined;
  }
}

/** In one step: there is the old one or the new one. @throws what the file system says. */
export function writeRecord(runsDir: string, record: RunRecord): void {
  const file = recordFile(runsDir, record.runner, record.run);
  mkdirSync(runnerFolder(runsDir, record.runner), { recursive: true });
  writeFileSync(`${file}.new`, JSON.stringify(record), { mode: OWNER_ONLY });
  renameSync(`${file}.new`, file);
}

function recordFile(runsDir: string, runner: RunnerId, run: number): string {
  return join(runnerFolder(runsDir, runner), `${run}.json`);
}

/** Removes the oldest runs that are over. */
export function pruneRuns(runsDir: string, runner: RunnerId): void {
  const folder = runnerFolder(runsDir, runner);
  const names = namesIn(folder);
  let bytes = 0;
  for (const [index, run] of listRuns(runsDir, runner).toReversed().entries()) {
    const own = names.filter((name) => name.startsWith(`${run}.`));
    bytes += own.reduce((sum, name) => sum + sizeOf(join(folder, name)), 0);
    if (index === 0 || (index < MAX_RUNS && bytes <= MAX_RUN_BYTES)) continue;
    const record = readRecord(runsDir, runner, run);
    const isNeeded = record !== undefined && !record.isTold && index < MAX_UNTOLD_RUNS;
    if (isNeeded || (record !== undefined && record.end === null)) continue;
    for (const name of own) rmSync(join(folder, name), { force: true });
  }
}

/** Removes all that is kept of a runner. */
export function forgetRunner(runsDir: string, runner: RunnerId): void {
  rmSync(runnerFolder(runsDir, runner), { recursive: true, force: true });
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
