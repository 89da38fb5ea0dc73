/**
 * Keeps the fleet's runners running on this host: looks, has `decide` say what to do, writes down
 * what it will remember, and does it.
 */
import { decide } from "../core/decide.ts";
import type { Action, DecideSettings, EventAction } from "../core/decide-action.ts";
import { newMemory, newRunnerMemory, resumed, withoutRuns } from "../core/decide-memory.ts";
import type { EnforcerMemory } from "../core/decide-memory.ts";
import { applyOrder } from "../core/decide-orders.ts";
import type { Order } from "../core/decide-orders.ts";
import { AppError, messageOf } from "../core/errors.ts";
import type { Fleet, FleetEntry } from "../core/fleet.ts";
import type { Observed, RunSeen, RunnerSeen } from "../core/observed.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { BeatBook } from "./beat-book.ts";
import type { Driver, DriverHooks, RunReport } from "./driver.ts";
import { viewOf } from "./enforcer-view.ts";
import type { RunnerView } from "./enforcer-view.ts";
import { readKept, writeKept } from "./memory-file.ts";
import type { UntoldEvent } from "./memory-file.ts";
import { eventOfReport } from "./report-events.ts";

/** Events that are kept over a kill until they are stored; the oldest goes first. */
const MAX_UNTOLD = 1_000;
/** A timer's longest wait; Node takes no more than 2^31 - 1 ms. */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** Drivers by the kind of a fleet entry's driver; what has none is only watched. */
export type Drivers = ReadonlyMap<string, Driver>;

/** The log, as far as it is needed here: fields, then a sentence. */
export interface EnforcerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface EnforcerOptions {
  readonly fleet: Fleet;
  readonly settings: DecideSettings;
  readonly host: string;
  readonly bootId: string;
  readonly openDrivers: (hooks: DriverHooks) => Drivers;
  readonly book: BeatBook;
  /** Where the memory is kept. */
  readonly memoryFile: string;
  /** Another one each time. */
  readonly newId: () => string;
  /** Answers once the event is stored. `atMs`: when it happened. */
  readonly publish: (event: EventAction, atMs: number) => Promise<void>;
  readonly log: EnforcerLog;
}

export interface Enforcer {
  /** Another fleet file: what is new, gone or changed follows at once. */
  setFleet(fleet: Fleet): void;
  /** @throws AppError `not_found` where the runner is not in the fleet, `invalid` where it can't be done. */
  order(runner: RunnerId, order: Order): string;
  describe(): RunnerView[];
  /** Ends every runner that is ours, all at once; answers when nothing of them is left. */
  stop(): Promise<void>;
  /** Lets everything run on, for the next enforcer to take over. */
  leave(): Promise<void>;
}

/** Takes over what runs, and starts what should. */
export async function startEnforcer(options: EnforcerOptions): Promise<Enforcer> {
  const enforcer = new Loop(options);
  await enforcer.start();
  return enforcer;
}

class Loop implements Enforcer {
  readonly #options: EnforcerOptions;
  readonly #drivers: Drivers;
  #fleet: Fleet;
  #memory: EnforcerMemory;
  /** Events that are on their way. */
  readonly #untold = new Map<string, UntoldEvent>();
  /** Found by a driver at the start; perhaps in no fleet file any more. */
  readonly #found = new Map<RunnerId, Driver>();
  readonly #stops = new Set<RunnerId>();
  #tick: NodeJS.Timeout | undefined;
  #wake: NodeJS.Timeout | undefined;
  #isPoked = false;
  #isReady = false;
  #isEnding = false;
  #saveFailure: string | undefined;

  constructor(options: EnforcerOptions) {
    this.#options = options;
    this.#fleet = options.fleet;
    this.#memory = this.#remember();
    this.#drivers = options.openDrivers({
      onReport: async (report) => await this.#reported(report),
      onChange: () => this.#poke(),
    });
  }

  async start(): Promise<void> {
    const { log, settings } = this.#options;
    for (const driver of new Set(this.#drivers.values())) {
      await driver.adopt(this.#entriesOf(driver));
    }
    this.#tellOfOurselves("enforcer_started");
    this.#isReady = true;
    this.#turn();
    this.#tick = setInterval(() => this.#turn(), settings.checkEverySec * 1000);
    const running = this.describe().filter(({ state }) => state === "running").length;
    log.info({ runners: this.#fleet.runners.size, running }, "the enforcer runs the fleet");
  }

  setFleet(fleet: Fleet): void {
    this.#fleet = fleet;
    this.#turn();
  }

  order(runner: RunnerId, order: Order): string {
    const entry = this.#fleet.runners.get(runner);
    const driver = entry && this.#drivers.get(entry.driver.kind);
    if (entry === undefined) {
      throw new AppError("not_found", `${runner} is not in this enforcer's fleet file`);
    }
    if (driver === undefined) {
      const { kind } = entry.driver;
      throw new AppError(
        "invalid",
        `${runner} is ${kind}: it is watched only, and takes no orders`,
      );
    }
    if (order.order === "reconnect" && !driver.reconnect(runner)) {
      throw new AppError("invalid", `${runner} can't be asked to reconnect: no camera of it runs`);
    }
    const answer = applyOrder(this.#memory, entry, driver.observe(runner), order);
    this.#memory = answer.memory;
    for (const action of answer.actions) this.#told(action, Date.now());
    this.#options.log.info({ runner, ...order }, `order ${order.order}: ${answer.said}`);
    this.#turn();
    return answer.said;
  }

  describe(): RunnerView[] {
    return [...this.#fleet.runners.values()].map((entry) => {
      const run = this.#drivers.get(entry.driver.kind)?.observe(entry.runner);
      return viewOf(entry, run, this.#memory.runners[entry.runner]);
    });
  }

  async stop(): Promise<void> {
    this.#end();
    const ended = this.#ownRunners().map(async ([runner, driver]) => {
      await driver.stop(runner, "the enforcer stops");
      driver.settle(runner);
    });
    await Promise.all(ended);
    this.#memory = withoutRuns(this.#memory);
    this.#tellOfOurselves("enforcer_stopped");
    await this.#close();
    this.#options.log.info({ ended: ended.length }, "the enforcer has stopped the fleet");
  }

  async leave(): Promise<void> {
    this.#end();
    await this.#close();
  }

  #end(): void {
    this.#isEnding = true;
    clearInterval(this.#tick);
    clearTimeout(this.#wake);
  }

  async #close(): Promise<void> {
    this.#save();
    for (const driver of new Set(this.#drivers.values())) await driver.close();
  }

  /** Of which kinds we made the process: containers and units live on without us. */
  #ownRunners(): [RunnerId, Driver][] {
    const known = [...this.#known()].map(([runner, driver]) => [runner, driver] as const);
    return known.flatMap(([runner, driver]) => {
      const kind = this.#fleet.runners.get(runner)?.driver.kind ?? "command";
      const isOurs = kind === "camera" || kind === "command" || kind === "camera_host";
      const { kind: seen } = driver.observe(runner);
      const isAlive = seen === "running" || seen === "stopping";
      return isOurs && isAlive ? [[runner, driver] satisfies [RunnerId, Driver]] : [];
    });
  }

  #entriesOf(driver: Driver): FleetEntry[] {
    return [...this.#fleet.runners.values()].filter(
      (entry) => this.#drivers.get(entry.driver.kind) === driver,
    );
  }

  /** Every runner that is to be decided on, and who drives it. */
  #known(): Map<RunnerId, Driver> {
    const known = new Map(this.#found);
    for (const [runner, { driver }] of Object.entries(this.#memory.runners)) {
      const found = this.#drivers.get(driver);
      if (found !== undefined) known.set(runner as RunnerId, found);
    }
    for (const [runner, { driver }] of this.#fleet.runners) {
      const found = this.#drivers.get(driver.kind);
      if (found !== undefined) known.set(runner, found);
      else known.delete(runner);
    }
    return known;
  }

  /** Look, decide, write down, do: all in one go, so that nothing happens in between. */
  #turn(): void {
    if (!this.#isReady || this.#isEnding) return;
    const { settings, log } = this.#options;
    const now = Date.now();
    const observed = this.#observe();
    const { actions, memory, wakeAt } = decide(this.#fleet, settings, observed, this.#memory, now);
    this.#memory = memory;
    const events = actions.filter((action) => action.kind === "event");
    for (const event of events) this.#keepUntold(event, now);
    this.#save();
    for (const action of actions) {
      try {
        this.#do(action);
      } catch (error) {
        log.error({ runner: action.runner }, `${action.kind} failed: ${messageOf(error)}`);
      }
    }
    this.#wakeUpAt(wakeAt, now);
  }

  #observe(): Observed {
    const { book } = this.#options;
    const moment = book.moment();
    const runners = new Map<RunnerId, RunnerSeen>();
    for (const [runner, driver] of this.#known()) {
      const run = driver.observe(runner);
      const entry = this.#fleet.runners.get(runner);
      if (entry === undefined) this.#meetStranger(runner, run);
      const beats = entry === undefined ? NOTHING_HEARD : book.beatsOf(entry, run, moment);
      runners.set(runner, { run, beats });
    }
    return { runners, blindSince: moment.blindSince, sightedAt: moment.sightedAt };
  }

  /** Left by an earlier enforcer whose memory is lost, and no longer in the fleet file. */
  #meetStranger(runner: RunnerId, run: RunSeen): void {
    if (run.kind === "none") this.#found.delete(runner);
    this.#memory.runners[runner] ??= newRunnerMemory("command");
  }

  #do(action: Action): void {
    const { log } = this.#options;
    switch (action.kind) {
      case "start":
        return this.#drivers.get(action.entry.driver.kind)?.start(action.entry, action.attempt);
      case "stop":
        return void this.#stopRunner(action.runner, action.reason);
      case "settle":
        return this.#known().get(action.runner)?.settle(action.runner);
      case "note":
        return log[action.level]({ runner: action.runner }, action.text);
      case "event":
        return this.#publish(action.msgId);
    }
  }

  async #stopRunner(runner: RunnerId, reason: string): Promise<void> {
    if (this.#stops.has(runner)) return;
    this.#stops.add(runner);
    const { log } = this.#options;
    log.info({ runner, reason }, `${runner} is stopped: ${reason}`);
    try {
      await this.#known().get(runner)?.stop(runner, reason);
    } catch (error) {
      log.error({ runner }, `it could not be stopped: ${messageOf(error)}`);
    }
    this.#stops.delete(runner);
    this.#poke();
  }

  /** Something has happened: look soon, once for all that happens at the same time. */
  #poke(): void {
    if (this.#isPoked || this.#isEnding) return;
    this.#isPoked = true;
    setImmediate(() => {
      this.#isPoked = false;
      this.#turn();
    });
  }

  #wakeUpAt(time: number | null, now: number): void {
    clearTimeout(this.#wake);
    if (time === null || this.#isEnding) return;
    const waitMs = Math.min(Math.max(0, time - now), MAX_WAIT_MS);
    this.#wake = setTimeout(() => this.#turn(), waitMs);
  }

  async #reported(report: RunReport): Promise<void> {
    const { log, host } = this.#options;
    const { runner } = report;
    if (!this.#found.has(runner)) this.#meetFound(runner);
    logReport(report, log);
    const event = eventOfReport(report, host);
    if (event !== undefined) await this.#options.publish(event, report.at);
  }

  #meetFound(runner: RunnerId): void {
    const driver = this.#drivers.get("command");
    if (!this.#fleet.runners.has(runner) && driver !== undefined) this.#found.set(runner, driver);
  }

  #tellOfOurselves(type: "enforcer_started" | "enforcer_stopped"): void {
    const { host, settings, newId } = this.#options;
    const data = { host, pid: process.pid };
    const action = { kind: "event", runner: settings.self, type, data, msgId: newId() } as const;
    this.#told(action, Date.now());
  }

  #told(action: EventAction, at: number): void {
    this.#keepUntold(action, at);
    this.#publish(action.msgId);
  }

  #keepUntold(action: EventAction, at: number): void {
    this.#untold.set(action.msgId, { action, at });
    const [oldest] = this.#untold.keys();
    if (this.#untold.size > MAX_UNTOLD && oldest !== undefined) this.#untold.delete(oldest);
  }

  #publish(msgId: string): void {
    const untold = this.#untold.get(msgId);
    if (untold === undefined) return;
    const stored = (): void => void this.#untold.delete(msgId);
    // One that was dropped is told again by the next enforcer.
    this.#options.publish(untold.action, untold.at).then(stored, () => {});
  }

  /** What an earlier enforcer knew; a reboot has ended whatever ran. */
  #remember(): EnforcerMemory {
    const { memoryFile, newId, bootId, log } = this.#options;
    const now = Date.now();
    const kept = readKept(memoryFile, (message) => log.warn({}, message));
    if (kept === undefined) return newMemory(newId(), now);
    for (const { action, at } of kept.untold) this.#told(action, at);
    const { memory } = kept;
    return resumed(kept.bootId === bootId ? memory : withoutRuns(memory), now);
  }

  #save(): void {
    const { memoryFile, bootId, log } = this.#options;
    const kept = { bootId, memory: this.#memory, untold: [...this.#untold.values()] };
    const failure = writeKept(memoryFile, kept);
    if (failure !== undefined && failure !== this.#saveFailure) {
      log.error({}, `what the enforcer must remember can't be kept: ${failure}`);
    }
    this.#saveFailure = failure;
  }
}

const NOTHING_HEARD = {
  status: "unknown",
  lastAt: null,
  memoryMb: null,
  cpuPercent: null,
  vramMb: null,
} as const;

function logReport({ runner, report, process }: RunReport, log: EnforcerLog): void {
  const { pid } = process ?? { pid: null };
  switch (report.event) {
    case "spawned":
      return log.info({ runner, pid, attempt: report.attempt ?? 0 }, `${runner} runs`);
    case "adopted":
      return log.info({ runner, pid }, `${runner} was running and is taken over`);
    case "exited": {
      const reason = report.signal ?? `exit code ${report.exit_code ?? "unknown"}`;
      return log.warn({ runner, pid, last: report.stderr.at(-1) }, `${runner} ended: ${reason}`);
    }
    case "lost":
      return log.warn({ runner, pid }, `${runner} ended: ${report.reason}`);
    case "failed":
      return log.warn({ runner }, `${runner} could not be started: ${report.message}`);
    case "camera":
      return log.info({ runner, reason: report.reason }, `${runner} is ${report.to}`);
    case "throttle":
    case "check":
    case "stopping":
      return;
  }
}
