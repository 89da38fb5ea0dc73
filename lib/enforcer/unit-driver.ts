/** The driver of what somebody else runs: looked at regularly, started and stopped by order. */
import { AppError, messageOf } from "../core/errors.ts";
import type { FleetEntry } from "../core/fleet.ts";
import type { Health } from "../core/heartbeat.ts";
import type { RunSeen } from "../core/observed.ts";
import type { RunnerId } from "../core/runner-id.ts";
import type { Driver, DriverHooks, RunProcess } from "./driver.ts";
import type { UnitBackend } from "./unit-backend.ts";
import { WatchedUnit } from "./watched-unit.ts";

const LOOK_EVERY_MS = 2_000;
/** Waited for at the start: a daemon that does not answer must not hold up the rest. */
const FIRST_LOOK_MS = 3_000;

/** What a heartbeat says on behalf of a unit; null: nothing now, it must not look alive. */
export type UnitHealth = { readonly health: Health; readonly last_error: string } | null;

/** Beats for a process until it is stopped; processor time and memory are measured there. */
export type OpenUnitBeats = (
  entry: FleetEntry,
  process: RunProcess,
  health: () => UnitHealth,
) => { stop(): Promise<void> };

export interface UnitDriverOptions {
  readonly backend: UnitBackend;
  /** What the backend calls it; undefined for what another driver runs. */
  readonly nameOf: (entry: FleetEntry) => string | undefined;
  readonly hooks: DriverHooks;
  readonly openBeats: OpenUnitBeats;
  /** When a process of this host started, epoch ms; 0 where it can't be told. */
  readonly startedAtOf: (pid: number) => number;
  readonly warn: (message: string) => void;
  /** How often to look; 2 s unless given. */
  readonly everyMs?: number;
}

export function createUnitDriver(options: UnitDriverOptions): Driver {
  return new UnitDriver(options);
}

class UnitDriver implements Driver {
  readonly #options: UnitDriverOptions;
  readonly #units = new Map<RunnerId, WatchedUnit>();
  readonly #warned = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: UnitDriverOptions) {
    this.#options = options;
    const { everyMs = LOOK_EVERY_MS } = options;
    this.#timer = setInterval(() => {
      for (const unit of this.#units.values()) void unit.look();
    }, everyMs);
  }

  async adopt(entries: readonly FleetEntry[]): Promise<void> {
    const looks = entries.map(async (entry) => await this.#unit(entry)?.look());
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, FIRST_LOOK_MS)));
    await Promise.race([Promise.all(looks), late]);
    clearTimeout(timer);
  }

  observe(runner: RunnerId): RunSeen {
    return this.#units.get(runner)?.observe() ?? { kind: "none" };
  }

  start(entry: FleetEntry, attempt: number): void {
    this.#unit(entry)?.start(attempt);
  }

  async stop(runner: RunnerId, reason: string): Promise<void> {
    await this.#units.get(runner)?.stop(reason);
  }

  /** Only a camera can be asked. */
  reconnect(): boolean {
    return false;
  }

  settle(runner: RunnerId): void {
    this.#units.get(runner)?.settle();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#units.values()].map(async (unit) => await unit.close()));
  }

  #unit(entry: FleetEntry): WatchedUnit | undefined {
    const name = this.#options.nameOf(entry);
    if (name === undefined) return undefined;
    const known = this.#units.get(entry.runner);
    if (known?.name === name) return known;
    void known?.close();
    const warn = (error: unknown) => this.#warnOnce(error);
    const unit = new WatchedUnit(entry, name, { ...this.#options, warn });
    this.#units.set(entry.runner, unit);
    return unit;
  }

  /** Told once, not every few seconds. */
  #warnOnce(error: unknown): void {
    const message = error instanceof AppError ? error.message : messageOf(error);
    if (this.#warned.has(message) || this.#warned.size > 1_000) return;
    this.#warned.add(message);
    this.#options.warn(message);
  }
}
