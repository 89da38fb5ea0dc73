/** One random history of a host: the same seed gives the same history. */
import { decide } from "../../lib/core/decide.ts";
import type { DecideSettings } from "../../lib/core/decide-action.ts";
import { newMemory, parseMemory, resumed } from "../../lib/core/decide-memory.ts";
import type { EnforcerMemory } from "../../lib/core/decide-memory.ts";
import { applyOrder } from "../../lib/core/decide-orders.ts";
import type { OrderKind } from "../../lib/core/decide-orders.ts";
import type { Fleet, FleetEntry } from "../../lib/core/fleet.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { Random } from "../chaos/random.ts";
import { SimChecks } from "./simulator-checks.ts";
import { SimWorld } from "./simulator-world.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const TICK_MS = 15 * SECOND;
/** Silence for longer than its threshold, three checks, the ladder, and the longest wait. */
const CALM_MS = 30 * MINUTE;

export interface History {
  readonly simulatedMs: number;
  readonly looks: number;
  readonly restarts: number;
}

/** @throws Error that says what went wrong and when. */
export function simulate(seed: number, disturbedMs = 25 * MINUTE): History {
  const simulation = new Simulation(new Random(seed));
  try {
    return simulation.run(disturbedMs);
  } catch (error) {
    const log = simulation.log.slice(-40).join("\n  ");
    throw new Error(`seed ${seed}: ${(error as Error).message}; before it:\n  ${log}`, {
      cause: error,
    });
  }
}

class Simulation {
  readonly log: string[] = [];
  readonly #random: Random;
  readonly #world: SimWorld;
  readonly #checks: SimChecks;
  readonly #settings: DecideSettings;
  readonly #all: readonly RunnerId[];
  #fleet: Fleet;
  #memory: EnforcerMemory;
  #saved: EnforcerMemory;
  /** As it was some time ago, for a disk that was full since. */
  #older: EnforcerMemory;
  #downUntil: number | null = null;
  #muffledUntil = Infinity;
  #nextTickAt = 0;
  #wakeAt: number | null = null;
  #isCalm = false;
  #looks = 0;
  #restarts = 0;
  readonly #from: number;

  constructor(random: Random) {
    this.#random = random;
    this.#world = new SimWorld((runner) => this.#fate(runner));
    this.#settings = settingsOf(random);
    this.#checks = new SimChecks(this.#world, this.#settings.restart);
    this.#all = NAMES.slice(0, 1 + random.below(NAMES.length)).map(parseRunnerId);
    this.#fleet = this.#newFleet();
    this.#memory = newMemory("sim", this.#world.wall);
    this.#saved = this.#memory;
    this.#older = this.#memory;
    this.#from = this.#world.now;
    this.#nextTickAt = this.#from;
  }

  run(disturbedMs: number): History {
    const end = this.#from + disturbedMs;
    let nextDisturbance = this.#from + this.#span(5 * MINUTE);
    while (this.#world.now < end) {
      this.#step(Math.min(nextDisturbance, end));
      if (this.#world.now < nextDisturbance) continue;
      this.#disturb();
      // A hush must have set in before it may be broken up.
      const quietMs = this.#world.muffled.size > 0 ? MINUTE : 0;
      nextDisturbance = this.#world.now + quietMs + this.#span(4 * MINUTE);
    }
    this.#calmDown();
    const simulatedMs = this.#world.now - this.#from;
    return { simulatedMs, looks: this.#looks, restarts: this.#restarts };
  }

  /** Everything is well from here on: then everything that may run must run. */
  #calmDown(): void {
    this.#isCalm = true;
    this.#world.endOutage();
    this.#world.muffled.clear();
    for (const { run } of this.#world.runners.values()) if (run !== null) run.exitsAt = Infinity;
    const end = this.#world.now + CALM_MS;
    while (this.#world.now < end) this.#step(end);
    for (const { runner, driver } of this.#fleet.runners.values()) {
      const held = this.#isHeld(runner) || this.#memory.runners[runner]?.down === true;
      if (driver.kind === "external" || held) continue;
      if (!this.#world.isAlive(runner)) throw new Error(`${runner} does not run in the end`);
      const mayRestart = this.#memory.runners[runner]?.denied !== true;
      if (mayRestart && this.#world.isHung(runner)) throw new Error(`${runner} hangs in the end`);
    }
  }

  /** To the next thing that happens, and the look that follows. */
  #step(limit: number): void {
    const wakeAt = (this.#wakeAt ?? Infinity) - this.#world.clockOffset;
    const looksAt =
      this.#downUntil ?? Math.min(this.#nextTickAt, Math.max(wakeAt, this.#world.now));
    const next = Math.min(limit, looksAt, this.#world.nextEventAt(), this.#muffledUntil);
    const ended = this.#world.passTo(Math.max(next, this.#world.now));
    for (const runner of ended) this.#note(`${runner} has ended`);
    if (this.#world.now >= this.#muffledUntil) this.#unmuffle();
    if (this.#downUntil !== null) {
      if (this.#world.now >= this.#downUntil) this.#restartEnforcer();
      return;
    }
    const isDue = this.#world.now >= Math.min(this.#nextTickAt, wakeAt);
    if (isDue || ended.length > 0) this.#look();
  }

  #look(crash?: "before saving" | "after saving" | "amid acting"): void {
    const { now, wall } = this.#world;
    if (now >= this.#nextTickAt) this.#nextTickAt = now + TICK_MS + this.#random.below(50);
    const known = new Set([...this.#fleet.runners.keys(), ...this.#all]);
    const observed = this.#world.observe(known);
    const { actions, memory, wakeAt } = decide(
      this.#fleet,
      this.#settings,
      observed,
      this.#memory,
      wall,
    );
    this.#looks++;
    this.#wakeAt = wakeAt;
    if (crash === "before saving") return;
    this.#memory = memory;
    this.#saved = memory;
    if (this.#random.chance(0.02)) this.#older = memory;
    if (crash === "after saving") return;
    const done = crash === undefined ? actions.length : this.#random.below(actions.length + 1);
    for (const action of actions.slice(0, done)) {
      this.#checks.action(action, this.#fleet);
      if (action.kind !== "note") this.#note(`${action.kind} ${action.runner} ${detail(action)}`);
      if (action.kind === "start") {
        if (action.attempt > 0) this.#restarts++;
        this.#world.start(action.entry, action.attempt);
      } else if (action.kind === "stop") this.#world.stop(action.runner, this.#random.below(6_000));
      else if (action.kind === "settle") this.#world.settle(action.runner);
    }
    if (crash === undefined) this.#checks.looked(this.#fleet, (runner) => this.#isHeld(runner));
  }

  #isHeld(runner: RunnerId): boolean {
    const memory = this.#memory.runners[runner];
    return memory !== undefined && (memory.paused || memory.wish !== "run");
  }

  #disturb(): void {
    const kinds = [
      () => this.#outage(),
      () => this.#jump(),
      () => this.#reload(),
      () => this.#crash(),
      () => this.#order(),
      () => this.#muffle(),
      () => this.#hang(),
    ];
    this.#random.pick(kinds)();
  }

  #outage(): void {
    if (this.#world.blindSince !== null) this.#world.endOutage();
    else this.#world.beginOutage();
    this.#note(this.#world.blindSince === null ? "NATS is back" : "NATS is away");
  }

  #jump(): void {
    const byMs = this.#random.pick([-86_400, -3_600, -30, 30, 3_600, 86_400]) * SECOND;
    this.#world.clockOffset += byMs;
    this.#note(`the clock is set by ${byMs} ms`);
    this.#checks.resetWaits();
    // Small jumps can't be told from time, and nobody is there to see them all.
    if (this.#downUntil !== null || Math.abs(byMs) < MINUTE) this.#checks.forgetCounts();
  }

  #reload(): void {
    const before = this.#fleet;
    this.#fleet = this.#newFleet();
    for (const runner of this.#all) {
      const [was, is] = [before.runners.get(runner), this.#fleet.runners.get(runner)];
      if (JSON.stringify(was) !== JSON.stringify(is)) this.#checks.excuse(runner);
    }
    this.#checks.resetWaits();
    this.#note(`the fleet is ${[...this.#fleet.runners.keys()].join(", ")}`);
    if (this.#downUntil === null) this.#look();
  }

  #crash(): void {
    if (this.#downUntil !== null) return;
    const crash = this.#random.pick(["before saving", "after saving", "amid acting"] as const);
    this.#look(crash);
    this.#note(`the enforcer is killed ${crash}`);
    this.#downUntil = this.#world.now + this.#span(2 * MINUTE);
    this.#checks.resetWaits();
  }

  #restartEnforcer(): void {
    this.#downUntil = null;
    const { wall, now } = this.#world;
    const saved = this.#readMemory();
    if (saved === undefined) for (const runner of this.#all) this.#checks.excuse(runner);
    const memory = saved ?? newMemory(`sim${now}`, wall);
    this.#memory = resumed({ ...memory, graceUntil: wall + 60 * SECOND }, wall);
    this.#note(saved === undefined ? "an enforcer without memory" : "the enforcer is back");
    // It reads the stream anew: for a moment it knows nothing.
    if (this.#world.blindSince === null) {
      this.#world.beginOutage();
      this.#world.endOutage();
    }
    this.#nextTickAt = now;
    this.#look();
  }

  /** Now and then there is none, or the disk was full and it is an old one. */
  #readMemory(): EnforcerMemory | undefined {
    if (this.#random.chance(0.05)) return undefined;
    const isOld = this.#random.chance(0.1);
    if (isOld) for (const runner of this.#all) this.#checks.stale(runner);
    return parseMemory(JSON.parse(JSON.stringify(isOld ? this.#older : this.#saved)));
  }

  #order(): void {
    const runner = this.#random.pick(this.#all);
    const entry = this.#fleet.runners.get(runner);
    if (this.#downUntil !== null || entry === undefined) return;
    const order = this.#random.pick(ORDERS);
    const { run } = this.#world.observe([runner]).runners.get(runner) ?? { run: { kind: "none" } };
    const given = { order, reason: undefined };
    const answer = applyOrder(this.#memory, entry, run, given);
    this.#memory = answer.memory;
    this.#note(answer.said);
    this.#checks.excuse(runner);
    this.#look();
  }

  /** Heartbeats of the whole fleet are lost on the way, and the pipeline seems to work. */
  #muffle(): void {
    const { now, muffled, blindSince } = this.#world;
    const { runners } = this.#world.observe(this.#all);
    const online = this.#all.filter((id) => {
      const seen = runners.get(id);
      return seen?.run.kind === "running" && seen.beats.status === "online";
    });
    if (online.length < 3 || muffled.size > 0 || blindSince !== null) return;
    if (this.#downUntil !== null) return;
    this.#world.muffled = new Set(this.#all);
    this.#muffledUntil = now + this.#span(5 * MINUTE);
    for (const { run } of this.#world.runners.values()) {
      if (run !== null) run.exitsAt = Math.max(run.exitsAt, now + MINUTE);
    }
    this.#note("heartbeats of all are lost");
  }

  #unmuffle(): void {
    this.#world.muffled.clear();
    this.#muffledUntil = Infinity;
    this.#note("heartbeats come again");
  }

  #hang(): void {
    const run = this.#world.at(this.#random.pick(this.#all)).run;
    if (run === null || this.#isCalm) return;
    run.hangsAt = Math.min(run.hangsAt, this.#world.now);
    this.#note(`pid ${run.pid} hangs`);
  }

  #fate(runner: RunnerId): { lifeMs: number; hangMs: number } {
    if (this.#isCalm) return { lifeMs: Infinity, hangMs: Infinity };
    const lifeMs = this.#random.chance(0.5) ? this.#random.below(3_000) : this.#span(15 * MINUTE);
    const hangMs = this.#random.chance(0.1) ? this.#random.below(60_000) : Infinity;
    this.#note(`${runner} will live ${Math.round(lifeMs / SECOND)} s`);
    return { lifeMs, hangMs };
  }

  #newFleet(): Fleet {
    const runners = new Map<RunnerId, FleetEntry>();
    for (const runner of this.#all) {
      if (this.#random.chance(0.1)) continue;
      runners.set(runner, entryOf(runner, this.#random.below(8) === 0 ? "new" : "old"));
    }
    const denied = this.#random.chance(0.3) ? [this.#random.pick(this.#all)] : [];
    return { restartAllow: undefined, restartDeny: denied, runners, secrets: [] };
  }

  /** Some ms, `mean` on average, most of them shorter. */
  #span(mean: number): number {
    return Math.ceil(-Math.log(1 - this.#random.next()) * mean);
  }

  #note(text: string): void {
    this.log.push(`${Math.round((this.#world.now - this.#from) / 100) / 10} s: ${text}`);
  }
}

const NAMES = [1, 2, 3, 4, 5].map((number) => `process/p${number}/default`);
const ORDERS: readonly OrderKind[] = ["restart", "stop", "start", "pause", "resume", "reset"];

function detail(action: object): string {
  const { reason = "", attempt = "", type = "" } = action as Record<string, unknown>;
  return `${String(type)} ${String(reason)} ${String(attempt)}`.trim();
}

function settingsOf(random: Random): DecideSettings {
  return {
    restart: {
      isEnabled: !random.chance(0.05),
      backoffSec: random.pick([[5, 15, 45], [1], [0, 30]]),
      maxAttempts: random.pick([3, 3, 3, 1, 5, 0]),
      cooldownSec: random.pick([600, 600, 300]),
      stableSec: 300,
    },
    missThreshold: random.pick([3, 3, 1]),
    checkEverySec: 15,
    intervalSec: 10,
    outageGraceSec: 60,
    hushShare: 0.5,
    hushMin: 3,
    self: parseRunnerId("service/enforcer/sim"),
  };
}

function entryOf(runner: RunnerId, mode: string): FleetEntry {
  const spec = { cwd: undefined, env: { MODE: mode }, probe: undefined };
  return {
    runner,
    driver: { kind: "command", command: ["sleep", "1"], ...spec, beatsItself: false },
    intervalSec: null,
    restart: {
      backoffSec: undefined,
      maxAttempts: undefined,
      cooldownSec: undefined,
      stableSec: undefined,
    },
    thresholds: {},
    limits: undefined,
    labels: {},
  };
}
