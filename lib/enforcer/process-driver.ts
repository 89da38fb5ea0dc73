/** Starts one runner's process on this host and tells of its life. */
import type { ChildEnd, ChildGroup } from "../core/child-group.ts";
import { messageOf } from "../core/errors.ts";
import { MAX_ERROR_CHARS } from "../core/heartbeat.ts";
import type { CommandEntry, FleetEntry } from "../core/fleet.ts";
import { createLineTail } from "../core/line-tail.ts";
import type { LineTail } from "../core/line-tail.ts";
import { MASK } from "../core/redact.ts";
import { cameraEvent } from "../core/supervision.ts";
import type { Report, RunOrder } from "../core/supervision.ts";
import type { EnforcerOptions, OutputSink } from "./enforcer.ts";

/** Of its output, for the event that tells its end. */
const MAX_OUTPUT_LINES = 20;
/** Our own runners end their children first, which takes them up to 5 s. */
const RUNNER_LADDER = { termAgainMs: 8_000, killMs: 1_000 };
const STDOUT_FD = 1;
const STDERR_FD = 2;

/** The process that beats for the runner. */
export interface RunIdentity {
  readonly pid: number;
  /** Epoch ms; 0 where unknown. */
  readonly startedAt: number;
}

/** How a run ended, for the decision about the next one. */
export interface RunResult {
  readonly ranSec: number;
  /** For people, e.g. `exit code 1`. */
  readonly reason: string;
}

export interface Run {
  /** Undefined while it is not known yet. */
  identity(): RunIdentity | undefined;
  /** Once nothing of it is left and its end was told. */
  readonly ended: Promise<RunResult>;
  stop(): Promise<void>;
}

/** Starts the entry's process. Never throws: what can't be started has ended. */
export function startRun(entry: FleetEntry, attempt: number, options: EnforcerOptions): Run {
  return new ProcessRun(entry, attempt, options);
}

class ProcessRun implements Run {
  readonly ended: Promise<RunResult>;
  readonly #entry: FleetEntry;
  readonly #attempt: number;
  readonly #options: EnforcerOptions;
  readonly #startedMs = performance.now();
  readonly #output: OutputSink;
  readonly #stdout: LineTail;
  readonly #tail: LineTail;
  #group: ChildGroup | undefined;
  #identity: RunIdentity | undefined;
  #report: Extract<Report, { event: "exited" }> | undefined;
  #failure: string | undefined;
  #isStopping = false;

  constructor(entry: FleetEntry, attempt: number, options: EnforcerOptions) {
    this.#entry = entry;
    this.#attempt = attempt;
    this.#options = options;
    this.#output = options.openOutput(entry.runner);
    this.#stdout = this.#newTail(1);
    this.#tail = this.#newTail(MAX_OUTPUT_LINES);
    this.ended = this.#live();
  }

  identity(): RunIdentity | undefined {
    return this.#identity;
  }

  async stop(): Promise<void> {
    if (!this.#isStopping && this.#identity !== undefined) {
      this.#options.publish(this.#entry.runner, "process_stopping", this.#process());
    }
    this.#isStopping = true;
    await this.#group?.stop();
    await this.ended;
  }

  async #live(): Promise<RunResult> {
    try {
      const group = this.#start();
      this.#group = group;
      this.#listen(group);
      const end = await group.ended;
      await Promise.all([group.stop(), group.drained(STDOUT_FD), group.drained(STDERR_FD)]);
      await this.#endLeftover();
      return this.#tellEnd(end);
    } catch (error) {
      return { ranSec: 0, reason: `could not be started: ${messageOf(error)}` };
    } finally {
      this.#output.close();
    }
  }

  #start(): ChildGroup {
    const { driver } = this.#entry;
    if (driver.kind === "command" && driver.beatsItself) return this.#startItself(driver);
    const group = this.#startOwn(driver.kind === "camera" ? "runner" : "run");
    // A camera's runner beats for itself; a wrapper tells which process it is that it beats for.
    if (driver.kind === "camera")
      this.#spawned(group.pid, group.startedAt, this.#ownArgv("runner"));
    return group;
  }

  #startOwn(name: "runner" | "run"): ChildGroup {
    const { own, spawn } = this.#options;
    const group = spawn({
      file: own.file,
      args: this.#ownArgv(name).slice(1),
      env: own.env,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      ladder: RUNNER_LADDER,
    });
    group.onMessage((message) => this.#received(message as Report));
    group.send(this.#order());
    return group;
  }

  #ownArgv(name: "runner" | "run"): string[] {
    const { own } = this.#options;
    const { runner } = this.#entry;
    const words = name === "runner" ? [runner] : ["--runner", runner];
    return [own.file, ...own.args, name, ...words, "--supervised"];
  }

  #startItself(driver: CommandEntry): ChildGroup {
    const [file, ...args] = driver.command;
    const beatEnv = this.#options.beatEnv(this.#entry.runner);
    const group = this.#options.spawn({
      file,
      args,
      env: { ...this.#options.env, ...beatEnv, ...driver.env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(driver.cwd === undefined ? {} : { cwd: driver.cwd }),
    });
    this.#spawned(group.pid, group.startedAt, driver.command, { ...beatEnv, ...driver.env });
    return group;
  }

  #order(): RunOrder {
    const { runner, driver, intervalSec, labels } = this.#entry;
    const base = { order: "run", runner, labels } as const;
    const order = { ...base, intervalSec: intervalSec ?? this.#options.intervalSec };
    if (driver.kind === "camera") return { ...order, camera: driver };
    if (driver.kind !== "command") return order;
    const env = { ...definedOnly(this.#options.env), ...driver.env };
    return { ...order, command: { ...driver, env } };
  }

  #listen(group: ChildGroup): void {
    for (const [descriptor, tail] of [
      [STDOUT_FD, this.#stdout],
      [STDERR_FD, this.#tail],
    ] as const) {
      const stream = group.output(descriptor).setEncoding("utf8");
      stream.on("data", (text: string) => tail.feed(text));
      stream.on("error", () => {});
    }
  }

  #newTail(maxLines: number): LineTail {
    const { secrets } = this.#options.fleet;
    return createLineTail({ maxLines, secrets, onLine: (line) => this.#output.write(line) });
  }

  #received(report: Report): void {
    const { driver, runner } = this.#entry;
    switch (report.event) {
      case "spawned": {
        if (driver.kind !== "command") return;
        return this.#spawned(report.pid, report.started_at, driver.command, driver.env);
      }
      case "exited":
        this.#report = report;
        return;
      case "failed":
        this.#failure = report.message;
        return;
      case "adopted":
      case "stopping":
      case "lost":
      case "throttle":
      case "check":
        return;
      case "camera": {
        const { from, to, reason } = report;
        const type = cameraEvent(from, to);
        if (type === "camera_online") this.#options.publish(runner, type, {});
        else if (type !== undefined) this.#options.publish(runner, type, { reason });
        if (from !== to) this.#options.log.info({ runner, reason }, `${runner} is ${to}`);
      }
    }
  }

  #spawned(
    pid: number,
    startedAt: number,
    argv: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): void {
    this.#identity = { pid, startedAt };
    const { runner } = this.#entry;
    const data = {
      ...this.#process(),
      argv: argv.map((word) => this.#masked(word)),
      env: Object.fromEntries(
        Object.entries(env).map(([name, value]) => [name, this.#masked(value)]),
      ),
      attempt: this.#attempt,
    };
    this.#options.publish(runner, "process_spawned", data, this.#messageId("spawned"));
    this.#options.log.info({ runner, pid, attempt: this.#attempt }, `${runner} runs`);
  }

  #masked(text: string): string {
    const { secrets } = this.#options.fleet;
    return secrets.reduce((shown, secret) => shown.replaceAll(secret, MASK), text);
  }

  /** A wrapper that was killed could not end its command: two of one runner must never live. */
  async #endLeftover(): Promise<void> {
    if (this.#identity === undefined || this.#identity.pid === this.#group?.pid) return;
    await this.#options.endLeftover(this.#identity.pid, this.#identity.startedAt);
  }

  #tellEnd(end: ChildEnd): RunResult {
    this.#stdout.flush();
    this.#tail.flush();
    const ranSec = Math.round(performance.now() - this.#startedMs) / 1000;
    if (this.#failure !== undefined) {
      return { ranSec: 0, reason: `could not be started: ${this.#failure}` };
    }
    if (this.#identity === undefined) return { ranSec, reason: this.#unannounced(end) };
    if (this.#identity.pid !== this.#group?.pid && this.#report === undefined) {
      return this.#lost(end, ranSec);
    }
    return this.#exited({
      exit_code: this.#report?.exit_code ?? end.code,
      signal: this.#report?.signal ?? (this.#report === undefined ? end.signal : null),
      ran_sec: this.#report?.ran_sec ?? ranSec,
      stderr: [...(this.#report?.stderr ?? this.#tail.lines())].map((line) => this.#masked(line)),
    });
  }

  #exited(data: {
    exit_code: number | null;
    signal: string | null;
    ran_sec: number;
    stderr: string[];
  }): RunResult {
    const { runner } = this.#entry;
    const process = this.#process();
    const { publish, log } = this.#options;
    publish(runner, "process_exited", { ...process, ...data }, this.#messageId("exited"));
    const reason = data.signal ?? `exit code ${data.exit_code}`;
    if (!this.#isStopping) {
      log.warn(
        { runner, pid: process.pid, last: data.stderr.at(-1) },
        `${runner} ended: ${reason}`,
      );
    }
    return { ranSec: data.ran_sec, reason };
  }

  #lost(end: ChildEnd, ranSec: number): RunResult {
    const { runner } = this.#entry;
    const reason = `its wrapper ended by ${end.signal ?? `exit code ${end.code}`}`;
    const data = { ...this.#process(), reason };
    this.#options.publish(runner, "process_lost", data, this.#messageId("lost"));
    this.#options.log.warn({ runner }, `${runner} ended: ${reason}`);
    return { ranSec, reason };
  }

  /** It never got as far as telling its pid: its last words must do. */
  #unannounced(end: ChildEnd): string {
    const how = end.signal ?? `exit code ${end.code}`;
    const said = this.#tail.lines().at(-1) ?? "nothing was said";
    return `could not be started: ${how}: ${said}`.slice(0, MAX_ERROR_CHARS);
  }

  #process(): { host: string; pid: number; started_at: number } {
    const { pid = 0, startedAt = 0 } = this.#identity ?? {};
    return { host: this.#options.host, pid, started_at: startedAt };
  }

  #messageId(what: string): string {
    const { host, pid, started_at } = this.#process();
    return `${this.#entry.runner}:${host}:${pid}:${started_at}:${what}`;
  }
}

function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const defined: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined) defined[name] = value;
  return defined;
}
