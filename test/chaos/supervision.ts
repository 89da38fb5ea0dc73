/**
 * Kills the enforcer, wrappers, camera runners and commands at random instants, again and again,
 * and looks whether anything is left, doubled, forgotten or told wrongly.
 */
import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { waitFor } from "../support/wait-for.ts";
import { Findings } from "./findings.ts";
import { Random } from "./random.ts";
import { readDatabase } from "./stage.ts";
import { checkDoubles, checkEvents, checkNothingLives } from "./supervision-checks.ts";
import type { EventFacts } from "./supervision-checks.ts";
import {
  FAILING,
  RUNNERS,
  enforcerServes,
  livingOf,
  openSupervisionStage,
  runsByMark,
} from "./supervision-stage.ts";
import type { Living, SupervisionStage } from "./supervision-stage.ts";
import { checkVerify } from "./table-checks.ts";

/** A kill comes at a random instant within this time. */
const MAX_CALM_MS = 700;
const MAX_AWAY_MS = 900;
const LOOK_EVERY_MS = 100;
const RUNNING_MS = 60_000;
const KILL_ENFORCER_PART = 0.5;
/** Rounds that come only when everything runs again: else there would be little to kill. */
const AFTER_RECOVERY_PART = 0.35;
const MAX_VICTIMS = 3;

export interface SupervisionOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface SupervisionReport {
  readonly seed: number;
  /** Kept where something was found. */
  readonly folder: string;
  readonly findings: readonly string[];
  readonly facts: object;
}

/** @throws when a runner does not run again in time; the message names seed and folder. */
export async function runSupervisionChaos(options: SupervisionOptions): Promise<SupervisionReport> {
  const stage = await openSupervisionStage();
  const run = new SupervisionRun(options, stage);
  try {
    const report = await run.run();
    if (report.findings.length === 0) rmSync(stage.folder, { recursive: true, force: true });
    return report;
  } catch (error) {
    const where = `seed ${options.seed}, folder ${stage.folder}`;
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  } finally {
    await stage.enforcer.kill9();
    await stage.projector.kill9();
    for (const { pid } of livingOf(stage)) process.kill(pid, "SIGKILL");
  }
}

class SupervisionRun {
  readonly #options: SupervisionOptions;
  readonly #stage: SupervisionStage;
  readonly #random: Random;
  readonly #findings = new Findings();
  readonly #kills = { enforcer: 0, supervised: 0, command: 0 };

  constructor(options: SupervisionOptions, stage: SupervisionStage) {
    this.#options = options;
    this.#stage = stage;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<SupervisionReport> {
    const { rounds, seed, say } = this.#options;
    const stage = this.#stage;
    stage.projector.start();
    stage.enforcer.start();
    await this.#everyRunnerRuns();
    const looking = new AbortController();
    const looks = this.#lookOut(looking.signal);
    for (let round = 1; round <= rounds; round++) {
      await this.#playRound();
      if (round % 10 === 0) say(`${round} rounds, ${JSON.stringify(this.#kills)}`);
    }
    await this.#everyRunnerRuns();
    // They may run on while it is still on its way: it must be there to stop them.
    await waitFor(() => enforcerServes(stage), { what: "the enforcer serving" });
    looking.abort();
    await looks;
    await stage.enforcer.stop();
    const facts = await this.#checkWhatWasTold();
    await stage.projector.stop();
    checkNothingLives(stage, this.#findings);
    const findings = this.#findings.list();
    const report = { seed, folder: stage.folder, findings, facts: { ...facts, ...this.#kills } };
    say(JSON.stringify(report.facts));
    return report;
  }

  async #playRound(): Promise<void> {
    const { enforcer } = this.#stage;
    const random = this.#random;
    if (random.chance(AFTER_RECOVERY_PART)) await this.#everyRunnerRuns();
    await delay(random.below(MAX_CALM_MS));
    const isEnforcer = random.chance(KILL_ENFORCER_PART);
    const victims = isEnforcer ? random.below(MAX_VICTIMS) : 1 + random.below(MAX_VICTIMS);
    const isFirst = random.chance(0.5);
    if (isEnforcer && isFirst) await this.#killEnforcer();
    for (let i = 0; i < victims; i++) {
      this.#killOne();
      await delay(random.below(50));
    }
    if (isEnforcer && !isFirst) await this.#killEnforcer();
    if (isEnforcer) await delay(random.below(MAX_AWAY_MS));
    if (!enforcer.isRunning) enforcer.start();
  }

  async #killEnforcer(): Promise<void> {
    this.#kills.enforcer += 1;
    await this.#stage.enforcer.kill9();
  }

  /** Any process of any runner: its wrapper, its camera runner, its command or a child of that. */
  #killOne(): void {
    const living = livingOf(this.#stage).filter(({ mark }) => mark !== "");
    const supervised = living.filter(({ runner }) => runner !== undefined);
    const others = living.filter(({ runner }) => runner === undefined);
    const from = this.#random.chance(0.7) ? supervised : others;
    if (from.length === 0) return;
    const victim = this.#random.pick(from);
    this.#kills[victim.runner === undefined ? "command" : "supervised"] += 1;
    kill(victim);
  }

  async #lookOut(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      checkDoubles(this.#stage, this.#findings);
      await delay(LOOK_EVERY_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Each has a wrapper or camera runner, and something below it; a failing one has begun again. */
  async #everyRunnerRuns(): Promise<void> {
    const missing = (): string[] => {
      const runs = runsByMark(this.#stage);
      const living = livingOf(this.#stage).filter(({ mark }) => runs.has(mark));
      const running = new Set(living.map(({ mark }) => runs.get(mark)?.runner));
      const commands = living.filter(({ runner }) => runner === undefined);
      const working = new Set(commands.map(({ mark }) => runs.get(mark)?.runner));
      return RUNNERS.filter((id) => id !== FAILING && !(running.has(id) && working.has(id)));
    };
    let last: string[] = [];
    const isFine = (): boolean => (last = missing()).length === 0;
    await waitFor(isFine, { timeoutMs: RUNNING_MS, what: "every runner running" }).catch(
      (error: unknown) => {
        throw new Error(`${last.join(", ")} did not run again`, { cause: error });
      },
    );
  }

  async #checkWhatWasTold(): Promise<EventFacts & { readonly rows: number }> {
    const stage = this.#stage;
    const nc = await connect({ servers: stage.nats.url });
    const facts = await checkEvents(nc, this.#findings);
    await nc.close();
    const told = facts.processes;
    const rows = await waitFor(() => (this.#endedRows() === told ? told : undefined), {
      what: `${told} ended processes in the table`,
    }).catch(() => this.#endedRows());
    this.#findings.expectEqual("ended processes in the table", rows, told);
    await checkVerify(stage, stage.main, this.#findings);
    return { ...facts, rows };
  }

  #endedRows(): number {
    const ids = RUNNERS.map((id) => `'${id}'`).join(", ");
    const sql = `select count(*) from running_process where runner in (${ids}) and ended_at is not null`;
    return readDatabase(this.#stage, (db) => db.prepare(sql).pluck().get() as number) ?? -1;
  }
}

function kill({ pid }: Living): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended just now.
  }
}
