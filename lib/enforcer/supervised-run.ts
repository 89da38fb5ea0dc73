/** One run of one runner: followed from its start, or from when it was found, to its end. */
import { watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { ChildEnd } from "../core/child-group.ts";
import { messageOf } from "../core/errors.ts";
import type { HostProcesses } from "../core/host-processes.ts";
import type { RunSeen } from "../core/observed.ts";
import type { Report, WrittenReport } from "../core/supervision.ts";
import type { DriverHooks } from "./driver.ts";
import { ReportReader } from "./report-reader.ts";
import { lastLines } from "./run-output.ts";
import { endOf, unseenEnd } from "./run-end.ts";
import { runFiles, writeRecord } from "./run-files.ts";
import type { RunRecord } from "./run-files.ts";

/** The supervised process ends its children first, which takes it up to 5 s. */
const LADDER = [
  { signal: "SIGTERM", waitMs: 8_000 },
  { signal: "SIGTERM", waitMs: 1_000 },
  { signal: "SIGKILL", waitMs: 5_000 },
] as const;
/** So long the guard of a run that was killed may take to end what is left. */
const GUARD_MS = 6_000;
/** So long what has left the group of a command that ended may take. */
const STRAY_MS = 2_000;
/** What does not end by then hangs in the kernel. */
const GIVE_UP_MS = 12_000;
const POLL_MS = 50;
/** So long a close waits for what was told to be stored. */
const TAKE_MS = 1_500;

export interface RunContext {
  readonly runsDir: string;
  readonly host: HostProcesses;
  readonly hooks: DriverHooks;
  readonly secrets: () => readonly string[];
  readonly warn: (message: string) => void;
}

export class SupervisedRun {
  readonly record: RunRecord;
  /** Once nothing of it is left and its end was handed over. */
  readonly done: Promise<void>;
  readonly #context: RunContext;
  readonly #reader: ReportReader;
  readonly #gone: Promise<ChildEnd | undefined>;
  #resolveGone: (end: ChildEnd | undefined) => void = () => {};
  readonly #isFound: boolean;
  #watcher: FSWatcher | undefined;
  #stoppingSince: number | null = null;
  #taken: Promise<void> = Promise.resolve();
  #isClosed = false;
  /** Another enforcer may write its record now. */
  #isReleased = false;

  /** @param ended of our own child; undefined for a run that was found. */
  constructor(record: RunRecord, context: RunContext, ended?: Promise<ChildEnd>) {
    this.record = record;
    this.#context = context;
    const { reports } = runFiles(context.runsDir, record.runner, record.run);
    this.#reader = new ReportReader(reports, record.seen);
    this.#gone = new Promise((resolve) => (this.#resolveGone = resolve));
    this.#isFound = ended === undefined;
    if (record.end !== null) this.#resolveGone(undefined);
    void ended?.then(this.#resolveGone);
    this.done = this.#live();
  }

  observe(): RunSeen {
    const { end, isSettled, beats, run } = this.record;
    if (end !== null) return isSettled ? { kind: "none" } : { kind: "ended", ...end };
    if (this.#stoppingSince !== null) return { kind: "stopping", since: this.#stoppingSince };
    return { kind: "running", since: run, pid: beats?.pid ?? null };
  }

  get isOver(): boolean {
    return this.record.end !== null;
  }

  /** Says that it was found alive; after what it has told since. */
  adopted(): void {
    this.look();
    const at = Date.now();
    if (this.record.beats !== null) this.#tell({ event: "adopted" }, at, `adopted:${at}`);
  }

  /** Looks for news; often and at any time. */
  look(): void {
    if (this.#isClosed || this.isOver) return;
    this.#watcher ??= this.#watch();
    for (const written of this.#reader.read()) this.#received(written);
    this.#askWhetherGone();
  }

  async stop(reason: string): Promise<void> {
    if (this.#stoppingSince === null && !this.isOver) {
      const at = Date.now();
      this.#stoppingSince = at;
      if (this.record.beats !== null) {
        this.#tell({ event: "stopping", reason }, at, `stopping:${at}`);
      }
      this.#changed();
      void this.#climb();
    }
    await this.done;
  }

  /** False where it can't be asked yet, or is no camera. */
  reconnect(): boolean {
    const { kind, beats, process, mark } = this.record;
    if (kind !== "camera" || beats === null || this.isOver) return false;
    this.#context.host.signal(process, mark, "SIGUSR2");
    return true;
  }

  settle(): void {
    if (!this.isOver || this.record.isSettled) return;
    this.record.isSettled = true;
    this.#save();
  }

  /** It lives on; what it tells is for another enforcer. Waits a moment for what is being taken. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch();
    const late = delay(TAKE_MS, undefined, { ref: false });
    await Promise.race([this.#taken.catch(() => {}), late]);
    this.#isReleased = true;
  }

  /** Our own child tells by itself; of a run that was found we only see that it is gone. */
  #askWhetherGone(): void {
    const { process, mark } = this.record;
    if (this.#isFound && !this.#context.host.isAlive(process, mark)) this.#resolveGone(undefined);
  }

  async #live(): Promise<void> {
    const end = await this.#gone;
    if (this.#isClosed) return;
    for (const written of this.#reader.read()) this.#received(written);
    if (this.record.end === null) await this.#finish(end);
    if (this.#isClosed) return;
    this.#unwatch();
    const { lastReport, isTold } = this.record;
    const at = this.record.end?.at ?? Date.now();
    if (lastReport !== null && !isTold) this.#tell(lastReport, at, "end");
    if (!isTold) this.#onceTaken(() => (this.record.isTold = true));
    this.#changed();
  }

  async #finish(end: ChildEnd | undefined): Promise<void> {
    this.#stoppingSince ??= Date.now();
    await this.#endLeftover();
    if (this.#isClosed) return;
    const { runsDir, secrets, host } = this.#context;
    const { record } = this;
    if (record.lastWords === null) {
      const log = runFiles(runsDir, record.runner, record.run).log;
      const isOtherBoot = record.process.bootId !== host.bootId();
      const lines = lastLines(log, secrets());
      record.lastReport = unseenEnd(record, { end, isOtherBoot, lines, now: Date.now() });
    }
    const { at, report } = record.lastWords ?? { at: Date.now(), report: record.lastReport };
    record.end = { at, ...endOf(report) };
    this.#save();
  }

  #received({ seq, at, report }: WrittenReport): void {
    const { record } = this;
    if (report.event === "spawned") {
      const startTicks = report.start_ticks ?? null;
      record.beats = { pid: report.pid, startedAt: report.started_at, startTicks };
      const { argv, env, attempt } = record;
      this.#tell({ ...report, argv, env, attempt }, at, String(seq), seq);
      this.#changed();
      return;
    }
    if (report.event === "exited" || report.event === "failed") {
      record.lastWords = { at, report };
    }
    this.#tell(report, at, String(seq), seq);
  }

  /** Hands over at once; what was taken is written down in the order of the reports. */
  #tell(report: Report, at: number, id: string, seq?: number): void {
    const { runner, mark, beats } = this.record;
    const process = beats === null ? null : { pid: beats.pid, startedAt: beats.startedAt };
    const told = this.#context.hooks.onReport({
      runner,
      id: `${runner}:${mark}:${id}`,
      at,
      process,
      report,
    });
    this.#onceTaken(() => {
      if (seq !== undefined) this.record.seen = seq;
    }, told);
  }

  /** Nothing counts as taken after something that was not. */
  #onceTaken(note: () => void, told?: void | Promise<void>): void {
    const before = this.#taken;
    this.#taken = Promise.all([before, told]).then(() => {
      note();
      if (!this.#isReleased) this.#save();
    });
    this.#taken.catch(() => {});
  }

  #save(): void {
    try {
      writeRecord(this.#context.runsDir, this.record);
    } catch (error) {
      const { runner } = this.record;
      this.#context.warn(`the record of ${runner}'s run can't be written: ${messageOf(error)}`);
    }
  }

  #changed(): void {
    this.#context.hooks.onChange(this.record.runner);
  }

  /** A process that is stopped takes TERM only once it is continued. */
  async #climb(): Promise<void> {
    const { host } = this.#context;
    const { process, mark } = this.record;
    for (const { signal, waitMs } of LADDER) {
      host.signal(process, mark, signal);
      host.signal(process, mark, "SIGCONT");
      await until(() => !host.isAlive(process, mark) || this.#isClosed, waitMs);
      if (!host.isAlive(process, mark)) break;
    }
    this.#askWhetherGone();
  }

  /**
   * What was killed could not end its children: two of one runner must never live. Its guard does
   * that, else we; only what carries the run's mark, or belongs to the group that its command leads.
   */
  async #endLeftover(): Promise<void> {
    const startedMs = performance.now();
    const graceMs = this.record.lastWords === null ? GUARD_MS : STRAY_MS;
    let isAsked = false;
    while (!this.#isClosed && performance.now() - startedMs < GIVE_UP_MS) {
      const lookedMs = performance.now();
      const isLate = lookedMs - startedMs > graceMs;
      const signal = isLate ? "SIGKILL" : isAsked ? 0 : "SIGTERM";
      if (this.#signalLeftover(signal) === 0) return;
      isAsked = true;
      // A look goes through every process of the host, which may be many.
      const tookMs = performance.now() - lookedMs;
      await delay(Math.max(isLate ? POLL_MS * 4 : POLL_MS, tookMs * 4));
    }
    if (this.#isClosed) return;
    this.#context.warn(`${this.record.runner} has ended, but not everything that it started`);
  }

  #signalLeftover(signal: NodeJS.Signals | 0): number {
    const { host } = this.#context;
    const { beats, mark, process } = this.record;
    if (process.bootId !== host.bootId()) return 0;
    const marked = host.signalMarked(mark, signal);
    if (beats === null || beats.startTicks === null || beats.pid === process.pid) return marked;
    const leader = { ...process, pid: beats.pid, startTicks: beats.startTicks };
    return marked + host.signalGroupOf(leader, signal);
  }

  /** Tells of news at once; without it the regular look is enough. */
  #watch(): FSWatcher | undefined {
    const { runner, run } = this.record;
    try {
      const path = runFiles(this.#context.runsDir, runner, run).reports;
      const watcher = watch(path, { persistent: false }, (type) => {
        // It was set aside: the new one is another file.
        if (type === "rename") this.#unwatch();
        this.look();
      });
      return watcher.on("error", () => {});
    } catch {
      return undefined;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

async function until(condition: () => boolean, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  while (!condition() && performance.now() < deadline) await delay(POLL_MS);
}
