/** The driver of cameras and commands: supervised processes that outlive the enforcer. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { messageOf } from "../core/errors.ts";
import type { FleetEntry } from "../core/fleet.ts";
import { RUN_MARK } from "../core/host-processes.ts";
import type { DetachedProcess, HostProcesses } from "../core/host-processes.ts";
import { MASK, redactDeep } from "../core/redact.ts";
import type { RunSeen } from "../core/observed.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { RunOrder } from "../core/supervision.ts";
import type { Driver, DriverHooks } from "./driver.ts";
import {
  forgetRunner,
  listRunners,
  listRuns,
  pruneRuns,
  readRecord,
  runFiles,
  writeRecord,
} from "./run-files.ts";
import type { RunRecord } from "./run-files.ts";
import { SupervisedRun } from "./supervised-run.ts";
import type { RunContext } from "./supervised-run.ts";

/** Beside being told: how soon the end of a process that is not our child is seen. */
const LOOK_EVERY_MS = 500;

/** So long the output of a runner is kept that is in no fleet file any more. */
const KEEP_GONE_MS = 7 * 86_400_000;

type Environment = Readonly<Record<string, string | undefined>>;

export interface ProcessDriverOptions {
  /** Folder of all runs. */
  readonly runsDir: string;
  readonly host: HostProcesses;
  readonly hooks: DriverHooks;
  /** How one of our own commands is started; its name and arguments are added. */
  readonly own: {
    readonly file: string;
    readonly args: readonly string[];
    readonly env: Environment;
  };
  /** What every command inherits. */
  readonly env: Environment;
  /** What a command that beats by itself finds beside it. */
  readonly beatEnv: (runner: RunnerId) => Readonly<Record<string, string>>;
  /** How often runners beat unless the fleet says otherwise. */
  readonly intervalSec: number;
  /** Texts that are masked wherever they come up. */
  readonly secrets: () => readonly string[];
  readonly warn: (message: string) => void;
}

/** Only one may hold a folder of runs: whoever makes it has the enforcer's lock. */
export function createProcessDriver(options: ProcessDriverOptions): Driver {
  return new ProcessDriver(options);
}

class ProcessDriver implements Driver {
  readonly #options: ProcessDriverOptions;
  readonly #context: RunContext;
  readonly #runs = new Map<RunnerId, SupervisedRun>();
  /** Earlier runs that are not over yet, beside the newest. */
  readonly #earlier = new Set<SupervisedRun>();
  readonly #warned = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: ProcessDriverOptions) {
    this.#options = options;
    const { runsDir, host, hooks, secrets } = options;
    this.#context = { runsDir, host, hooks, secrets, warn: (message) => this.#warnOnce(message) };
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Also what is no longer in the fleet: it lives, and somebody must decide on it. */
  adopt(entries: readonly FleetEntry[]): Promise<void> {
    const { runsDir, hooks } = this.#options;
    const wanted = new Set(entries.map(({ runner }) => runner));
    for (const runner of listRunners(runsDir)) {
      const records = listRuns(runsDir, runner).flatMap(
        (run) => readRecord(runsDir, runner, run) ?? [],
      );
      if (!wanted.has(runner) && isLongOver(records.at(-1))) {
        forgetRunner(runsDir, runner);
        continue;
      }
      for (const record of records) this.#take(record, record === records.at(-1));
      if (records.length > 0) hooks.onChange(runner);
    }
    return Promise.resolve();
  }

  observe(runner: RunnerId): RunSeen {
    return this.#runs.get(runner)?.observe() ?? { kind: "none" };
  }

  start(entry: FleetEntry, attempt: number): void {
    const { runner } = entry;
    const before = this.#runs.get(runner);
    if (before !== undefined && !before.isOver) return;
    const { runsDir, hooks } = this.#options;
    const run = Math.max(Date.now(), (listRuns(runsDir, runner).at(-1) ?? 0) + 1);
    const record = this.#newRecord(entry, run, attempt);
    try {
      const started = this.#launch(entry, record);
      this.#runs.set(runner, started);
      started.look();
      pruneRuns(runsDir, runner);
    } catch (error) {
      this.#runs.set(runner, this.#failed(record, messageOf(error)));
    }
    hooks.onChange(runner);
  }

  async stop(runner: RunnerId, reason: string): Promise<void> {
    const runs = [this.#runs.get(runner), ...this.#earlier].filter(
      (run) => run?.record.runner === runner,
    );
    await Promise.all(runs.map(async (run) => await run?.stop(reason)));
  }

  reconnect(runner: RunnerId): boolean {
    return this.#runs.get(runner)?.reconnect() ?? false;
  }

  settle(runner: RunnerId): void {
    this.#runs.get(runner)?.settle();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    const runs = [...this.#runs.values(), ...this.#earlier];
    await Promise.all(runs.map(async (run) => await run.close()));
  }

  #look(): void {
    for (const run of this.#runs.values()) run.look();
    for (const run of this.#earlier) run.look();
  }

  #take(record: RunRecord, isNewest: boolean): void {
    if (!isNewest && record.isTold) return;
    const run = new SupervisedRun(record, this.#context);
    if (isNewest) this.#runs.set(record.runner, run);
    else this.#keepEarlier(run);
    if (run.isOver) return;
    const { host } = this.#options;
    if (!host.isAlive(record.process, record.mark)) return run.look();
    run.adopted();
    // Never by our doing; but two of one runner must not live.
    if (!isNewest) void run.stop("a newer run of this runner lives");
  }

  #keepEarlier(run: SupervisedRun): void {
    this.#earlier.add(run);
    void run.done.then(() => this.#earlier.delete(run));
  }

  #newRecord(entry: FleetEntry, run: number, attempt: number) {
    const { runner, driver } = entry;
    const kind = driver.kind === "command" ? ("command" as const) : ("camera" as const);
    const mark = `${run}-${randomBytes(6).toString("hex")}`;
    const begun = { beats: null, seen: 0, lastWords: null, end: null, lastReport: null };
    const flags = { isTold: false, isSettled: false };
    return { runner, run, kind, mark, attempt, ...this.#shown(entry), ...begun, ...flags };
  }

  /**
   * The record is written before the order is given: should we die in between, no order comes, and
   * what was started ends by itself.
   */
  #launch(entry: FleetEntry, begun: Omit<RunRecord, "process">): SupervisedRun {
    const { own, runsDir, host } = this.#options;
    const files = runFiles(runsDir, begun.runner, begun.run);
    const [file = "", ...args] = this.#ownArgv(entry);
    let started: DetachedProcess | undefined;
    try {
      // Makes the folder, and shows whether there is room before anything runs.
      writeRecord(runsDir, { ...begun, process: NOBODY });
      writeFileSync(files.reports, "", { mode: 0o600 });
      const env = { ...own.env, [RUN_MARK]: begun.mark };
      started = host.start({ file, args, env, outputFile: files.log });
      const record = { ...begun, process: started.identity };
      writeRecord(runsDir, record);
      started.feed(JSON.stringify(this.#order(entry, begun.mark, files)));
      return new SupervisedRun(record, this.#context, started.ended);
    } catch (error) {
      // Without an order it ends by itself.
      started?.feed("");
      throw error;
    }
  }

  #failed(begun: Omit<RunRecord, "process">, message: string): SupervisedRun {
    const lastReport = { event: "failed", message } as const;
    const reason = `could not be started: ${message}`;
    const end = { at: Date.now(), ranSec: 0, reason, isPermanent: false };
    return new SupervisedRun({ ...begun, process: NOBODY, lastReport, end }, this.#context);
  }

  #ownArgv({ runner, driver }: FleetEntry): string[] {
    const { own } = this.#options;
    const isCommand = driver.kind === "command";
    const camera = driver.kind === "camera_host" ? "--host" : runner;
    const words = isCommand ? ["run", "--runner", runner] : ["runner", camera];
    return [own.file, ...own.args, ...words, "--supervised"];
  }

  #order(entry: FleetEntry, mark: string, files: RunOrder["files"] & object): RunOrder {
    const { runner, driver, intervalSec, labels } = entry;
    const { env, beatEnv, secrets, intervalSec: usual } = this.#options;
    const every = { intervalSec: intervalSec ?? usual };
    const base = { order: "run", runner, labels, files, secrets: secrets(), ...every } as const;
    if (driver.kind === "camera") return { ...base, camera: driver };
    if (driver.kind !== "command") return base;
    const { beatsItself } = driver;
    const beats = beatsItself ? beatEnv(runner) : {};
    const whole = { ...definedOnly(env), ...beats, ...driver.env, [RUN_MARK]: mark };
    return { ...base, beatsItself, command: { ...driver, env: whole } };
  }

  /** What the event of its start shows of it; it is written down, so without a secret. */
  #shown(entry: FleetEntry): Shown {
    const { runner, driver } = entry;
    const { beatEnv } = this.#options;
    if (driver.kind !== "command") return { argv: this.#ownArgv(entry), env: {} };
    const given = { ...(driver.beatsItself ? beatEnv(runner) : {}), ...driver.env };
    const masked = Object.entries(given).map(
      ([name, value]) => [name, this.#masked(value)] as const,
    );
    const argv = driver.command.map((word) => this.#masked(word));
    const env = Object.fromEntries(masked);
    return redactDeep({ argv, env }) as Shown;
  }

  #masked(text: string): string {
    return this.#options.secrets().reduce((shown, secret) => shown.replaceAll(secret, MASK), text);
  }

  #warnOnce(message: string): void {
    if (this.#warned.has(message) || this.#warned.size > 1_000) return;
    this.#warned.add(message);
    this.#options.warn(message);
  }
}

interface Shown {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function isLongOver(newest: RunRecord | undefined): boolean {
  if (newest === undefined || newest.end === null || !newest.isTold) return false;
  return Date.now() - newest.end.at > KEEP_GONE_MS;
}

/** No process has this identity. */
const NOBODY = { pid: 0, startTicks: 0, bootId: "" };

function definedOnly(env: Environment): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined) defined[name] = value;
  return defined;
}
