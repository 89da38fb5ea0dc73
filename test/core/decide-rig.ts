/** A host in memory whose enforcer looks every 15 s and at whatever happens, for tests of `decide`. */
import { parseFleet } from "../../config/fleet.ts";
import { decide } from "../../lib/core/decide.ts";
import type { Action, DecideSettings } from "../../lib/core/decide-action.ts";
import { newMemory, parseMemory, resumed } from "../../lib/core/decide-memory.ts";
import type { EnforcerMemory } from "../../lib/core/decide-memory.ts";
import { applyOrder } from "../../lib/core/decide-orders.ts";
import type { Order } from "../../lib/core/decide-orders.ts";
import type { Fleet } from "../../lib/core/fleet.ts";
import type { RunSeen, RunnerSeen } from "../../lib/core/observed.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { SimWorld } from "../enforcer/simulator-world.ts";

const TICK_MS = 15_000;

export const SETTINGS: DecideSettings = {
  restart: {
    isEnabled: true,
    backoffSec: [5, 15, 45],
    maxAttempts: 3,
    cooldownSec: 600,
    stableSec: 300,
  },
  missThreshold: 3,
  checkEverySec: 15,
  intervalSec: 10,
  outageGraceSec: 60,
  hushShare: 0.5,
  hushMin: 3,
  self: parseRunnerId("service/enforcer/edge-1"),
};

export class Rig {
  readonly world: SimWorld;
  readonly settings: DecideSettings;
  fleet: Fleet;
  memory: EnforcerMemory;
  /** Everything that was done, with the second at which it was. */
  readonly done: { readonly at: number; readonly action: Action }[] = [];
  /** What runs live and how they end; may be changed at any time. */
  lifeMs = Infinity;
  isPermanent = false;
  /** What is seen of a runner beside its run. */
  figures: Partial<RunnerSeen["beats"]> = {};
  readonly #from: number;
  #nextTickAt: number;
  #wakeAt = Infinity;

  constructor(fleet: string, settings: Partial<DecideSettings> = {}) {
    this.world = new SimWorld(() => ({ lifeMs: this.lifeMs, hangMs: Infinity }));
    this.settings = { ...SETTINGS, ...settings };
    this.fleet = parseFleet(fleet, {}, "fleet.yaml");
    this.memory = newMemory("rig", this.world.wall);
    this.#from = this.world.now;
    this.#nextTickAt = this.world.now;
  }

  /** Lets so many seconds pass, with all the looks that fall due. */
  pass(seconds: number): this {
    const end = this.world.now + seconds * 1000;
    while (this.world.now < end) {
      const wakeAt = this.#wakeAt - this.world.clockOffset;
      const due = Math.max(this.world.now, Math.min(this.#nextTickAt, wakeAt));
      const next = Math.min(end, due, this.world.nextEventAt());
      const ended = this.world.passTo(next);
      if (ended.length > 0 || this.world.now >= Math.min(this.#nextTickAt, wakeAt)) this.look();
    }
    return this;
  }

  look(): readonly Action[] {
    if (this.world.now >= this.#nextTickAt) this.#nextTickAt = this.world.now + TICK_MS;
    const ids = new Set([...this.fleet.runners.keys(), ...this.world.runners.keys()]);
    const seen = this.world.observe(ids);
    const runners = new Map([...seen.runners].map(([id, one]) => [id, this.#shown(one)]));
    const observed = { ...seen, runners };
    const { wall } = this.world;
    const decision = decide(this.fleet, this.settings, observed, this.memory, wall);
    this.memory = decision.memory;
    this.#wakeAt = decision.wakeAt ?? Infinity;
    for (const action of decision.actions) this.#do(action);
    // As in life: what was started is seen at once.
    if (decision.actions.some(({ kind }) => kind === "start")) this.look();
    return decision.actions;
  }

  order(runner: string, order: Order["order"], reason?: string): string {
    const id = parseRunnerId(runner);
    const entry = this.fleet.runners.get(id);
    if (entry === undefined) throw new Error(`${runner} is not in the fleet`);
    const run: RunSeen = this.world.observe([id]).runners.get(id)?.run ?? { kind: "none" };
    const { memory, actions, said } = applyOrder(this.memory, entry, run, { order, reason });
    this.memory = memory;
    for (const action of actions) this.#do(action);
    this.look();
    return said;
  }

  reload(fleet: string): void {
    this.fleet = parseFleet(fleet, {}, "fleet.yaml");
    this.look();
  }

  /** Killed and started again some seconds later, from what it kept. */
  killEnforcer(downSec: number): void {
    const kept = parseMemory(JSON.parse(JSON.stringify(this.memory)));
    if (kept === undefined) throw new Error("the memory can't be read back");
    this.world.passTo(this.world.now + downSec * 1000);
    this.memory = resumed(kept, this.world.wall);
    this.look();
  }

  hang(runner: string): void {
    const { run } = this.world.at(parseRunnerId(runner));
    if (run !== null) run.hangsAt = this.world.now;
  }

  kill(runner: string): void {
    const { run } = this.world.at(parseRunnerId(runner));
    if (run !== null) run.exitsAt = this.world.now;
  }

  isAlive(runner: string): boolean {
    return this.world.isAlive(parseRunnerId(runner));
  }

  /** Starts, stops and events of a runner in short, each with its second. */
  story(runner: string): string[] {
    return this.done
      .filter(({ action }) => action.runner === runner && isTold(action))
      .map(({ at, action }) => `${at} ${short(action)}`);
  }

  /** Texts of the log. */
  notes(): string[] {
    return this.done.flatMap(({ action }) => (action.kind === "note" ? [action.text] : []));
  }

  #shown(seen: RunnerSeen): RunnerSeen {
    const run =
      seen.run.kind === "ended" ? { ...seen.run, isPermanent: this.isPermanent } : seen.run;
    return { run, beats: { ...seen.beats, ...this.figures } };
  }

  #do(action: Action): void {
    const at = Math.round((this.world.now - this.#from) / 1000);
    this.done.push({ at, action });
    if (action.kind === "start") this.world.start(action.entry, action.attempt);
    else if (action.kind === "stop") this.world.stop(action.runner, 1_000);
    else if (action.kind === "settle") this.world.settle(action.runner);
  }
}

export function idOf(text: string): RunnerId {
  return parseRunnerId(text);
}

function isTold({ kind }: Action): boolean {
  return kind === "start" || kind === "stop" || kind === "event";
}

function short(action: Action): string {
  switch (action.kind) {
    case "start":
      return `start ${action.attempt}`;
    case "stop":
      return "stop";
    case "event":
      return action.type;
    case "settle":
    case "note":
      return action.kind;
  }
}
