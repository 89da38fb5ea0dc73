/** One container or unit: what it was at the last look, and what there is to tell of the change. */
import { AppError, messageOf } from "../core/errors.ts";
import type { FleetEntry } from "../core/fleet.ts";
import type { RunSeen } from "../core/observed.ts";
import type { Report } from "../core/supervision.ts";
import type { RunProcess } from "./driver.ts";
import type { UnitState } from "./unit-backend.ts";
import type { UnitDriverOptions, UnitHealth } from "./unit-driver.ts";

/** It must be running by then; a container that is created anew takes a moment. */
const START_MS = 30_000;

/** Between the kernel's start of a process and what its keeper says. */
const SAME_START_MS = 10_000;

type Options = Omit<UnitDriverOptions, "warn" | "nameOf"> & {
  readonly warn: (error: unknown) => void;
};
type Running = Extract<UnitState, { kind: "running" }>;
type Stopped = Extract<UnitState, { kind: "stopped" }>;

export class WatchedUnit {
  readonly name: string;
  readonly #entry: FleetEntry;
  readonly #options: Options;
  #seen: RunSeen = { kind: "none" };
  #process: RunProcess | null = null;
  #health: UnitHealth = null;
  #beats: { stop(): Promise<void> } | undefined;
  /** Of the start that was ordered and is not seen yet; undefined: none is. */
  #starting: { readonly attempt: number; readonly at: number } | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(entry: FleetEntry, name: string, options: Options) {
    this.#entry = entry;
    this.name = name;
    this.#options = options;
  }

  observe(): RunSeen {
    return this.#seen;
  }

  /** One at a time; whoever asks meanwhile waits for the same answer. */
  async look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => (this.#looking = undefined));
    await this.#looking;
  }

  start(attempt: number): void {
    const { kind } = this.#seen;
    if (kind === "running" || kind === "stopping" || this.#starting !== undefined) return;
    this.#starting = { attempt, at: Date.now() };
    this.#see({ kind: "running", since: Date.now(), pid: null });
    void this.#order(async () => await this.#options.backend.start(this.name));
  }

  async stop(reason: string): Promise<void> {
    if (this.#seen.kind !== "running") return;
    const at = Date.now();
    this.#tell({ event: "stopping", reason }, at, `stopping:${at}`);
    this.#see({ kind: "stopping", since: at });
    await this.#order(async () => await this.#options.backend.stop(this.name));
  }

  settle(): void {
    if (this.#seen.kind === "ended") this.#seen = { kind: "none" };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#beats?.stop();
  }

  async #order(carryOut: () => Promise<void>): Promise<void> {
    try {
      await carryOut();
      // The look under way may have begun before.
      await this.#looking;
      await this.look();
    } catch (error) {
      this.#options.warn(error);
      this.#failed(error);
    }
  }

  /** What can't be stopped runs on; what can't be started has ended. */
  #failed(error: unknown): void {
    if (this.#isClosed) return;
    if (this.#seen.kind === "stopping") {
      const pid = this.#process?.pid ?? null;
      return this.#see({ kind: "running", since: this.#process?.startedAt ?? Date.now(), pid });
    }
    if (this.#starting === undefined) return;
    const at = Date.now();
    const { code } = error instanceof AppError ? error : { code: "internal" };
    const isPermanent = code === "not_found" || code === "forbidden" || code === "invalid";
    const message = messageOf(error);
    this.#starting = undefined;
    this.#tell({ event: "failed", message, permanent: isPermanent }, at, `failed:${at}`);
    const reason = `could not be started: ${message}`;
    this.#see({ kind: "ended", at, ranSec: 0, reason, isPermanent });
  }

  async #lookOnce(): Promise<void> {
    let state: UnitState;
    try {
      state = await this.#options.backend.inspect(this.name);
    } catch (error) {
      // Nothing is known, and it must not look alive; nor has it ended.
      this.#health = null;
      return this.#options.warn(error);
    }
    if (this.#isClosed) return;
    if (state.kind === "running") this.#running(state);
    else this.#health = null;
    if (state.kind === "stopped") this.#stopped(state);
  }

  #running(state: Running): void {
    const { health, message, isFrozen, pid } = state;
    this.#health = isFrozen ? null : { health, last_error: message };
    const known = this.#process;
    const startedAt = this.#startOf(pid, state.startedAt);
    if (this.#isKnown(pid, startedAt)) return;
    if (known !== null) this.#lost(known, "it was started anew, and not by us");
    const attempt = this.#starting?.attempt;
    this.#starting = undefined;
    const since = startedAt || Date.now();
    if (this.#seen.kind !== "stopping") this.#see({ kind: "running", since, pid });
    if (pid === null) return;
    this.#process = { pid, startedAt };
    this.#begin(this.#process, attempt);
  }

  /** The kernel's word is the exact one, where the pid is one of this host. */
  #startOf(pid: number | null, said: number): number {
    const seen = pid === null ? 0 : this.#options.startedAtOf(pid);
    const isSame = said === 0 || Math.abs(seen - said) < SAME_START_MS;
    return seen !== 0 && isSame ? seen : said;
  }

  #isKnown(pid: number | null, startedAt: number): boolean {
    if (pid === null) return this.#seen.kind === "running" && this.#starting === undefined;
    return this.#process?.pid === pid && this.#process.startedAt === startedAt;
  }

  /** @param attempt undefined: it ran already. */
  #begin(process: RunProcess, attempt: number | undefined): void {
    const { pid, startedAt } = process;
    const { openBeats } = this.#options;
    const argv = [this.#entry.driver.kind, this.name];
    const what = { pid, started_at: startedAt, argv, env: {} };
    if (attempt === undefined)
      this.#tell({ event: "adopted" }, Date.now(), `adopted:${Date.now()}`);
    else this.#tell({ event: "spawned", ...what, attempt }, startedAt, "spawned");
    this.#beats = openBeats(this.#entry, process, () => this.#health);
  }

  #stopped(state: Stopped): void {
    // It may not be there yet right after the order.
    if (this.#starting !== undefined && Date.now() - this.#starting.at < START_MS) {
      if (this.#process === null && state.at < this.#starting.at) return;
    }
    const { exitCode, signal, lines } = state;
    const at = state.at === 0 ? Date.now() : state.at;
    const process = this.#process;
    if (process !== null || this.#starting !== undefined) {
      const from = process?.startedAt ?? this.#starting?.at ?? at;
      const ranSec = Math.max(0, at - from) / 1000;
      const end = { exit_code: exitCode, signal, ran_sec: ranSec, stderr: lines };
      this.#tell({ event: "exited", ...end }, at, "exited");
      const reason = signal ?? `exit code ${exitCode ?? "unknown"}`;
      this.#forget();
      this.#see({ kind: "ended", at, ranSec, reason, isPermanent: false });
    } else if (this.#seen.kind === "stopping" || this.#seen.kind === "running") {
      this.#see({ kind: "ended", at, ranSec: 0, reason: "it is not active", isPermanent: false });
    }
  }

  #lost({ startedAt }: RunProcess, reason: string): void {
    const ranSec = Math.max(0, Date.now() - startedAt) / 1000;
    this.#tell({ event: "lost", reason, ran_sec: ranSec }, Date.now(), "lost");
    this.#forget();
  }

  #forget(): void {
    this.#process = null;
    this.#starting = undefined;
    void this.#beats?.stop();
    this.#beats = undefined;
  }

  #tell(report: Report, at: number, what: string): void {
    const { runner } = this.#entry;
    const process = this.#process;
    const id = `${runner}:${process?.pid ?? 0}:${process?.startedAt ?? 0}:${what}`;
    void this.#options.hooks.onReport({ runner, id, at, process, report });
  }

  #see(seen: RunSeen): void {
    this.#seen = seen;
    this.#options.hooks.onChange(this.#entry.runner);
  }
}
