/**
 * Kills rebuilds at random instants under load, again and again, while a reader looks at the tables
 * and the API throughout; then compares all that is left with the streams.
 */
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { waitFor } from "../support/wait-for.ts";
import { expectCaughtUp } from "./catch-up.ts";
import { EventLoad } from "./event-load.ts";
import { Findings } from "./findings.ts";
import { Fleet } from "./fleet.ts";
import { HeartbeatLoad } from "./heartbeat-load.ts";
import { Program, buildProduct } from "./program.ts";
import { Random } from "./random.ts";
import { TableReader } from "./rebuild-reader.ts";
import { CAUGHT_UP_MS, apiServes, openStage, projectorServes, readDatabase } from "./stage.ts";
import type { Stage } from "./stage.ts";
import { checkStreams } from "./stream-checks.ts";
import { checkApi, checkTables, checkVerify } from "./table-checks.ts";

/** Rounds in which the projector dies too. */
const KILL_PROJECTOR_PART = 0.2;
/** Before so many rounds one rebuild is left alone, since exchanges are what must show nobody anything. */
const LEFT_ALONE_EVERY = 5;
/** A kill comes at a random instant within this part of what a whole rebuild takes. */
const KILL_WITHIN = 1.2;

export interface RebuildChaosOptions {
  readonly rounds: number;
  readonly heartbeatsPerSec: number;
  readonly runners: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** @throws when a part does not serve again in time. */
export async function runRebuildChaos(options: RebuildChaosOptions) {
  const product = buildProduct(`runbeat-rebuild-chaos-${process.pid}`);
  const stage = await openStage(product.main);
  const run = new RebuildChaos(options, stage, product.main);
  try {
    const report = await run.run();
    if (report.findings.length === 0) rmSync(stage.folder, { recursive: true, force: true });
    return report;
  } finally {
    await run.killAll();
    rmSync(product.folder, { recursive: true, force: true });
  }
}

class RebuildChaos {
  readonly #options: RebuildChaosOptions;
  readonly #stage: Stage;
  readonly #main: string;
  readonly #random: Random;
  readonly #findings = new Findings();
  readonly #rebuild: Program;
  #kills = 0;
  #reader: TableReader | undefined;

  constructor(options: RebuildChaosOptions, stage: Stage, main: string) {
    this.#options = options;
    this.#stage = stage;
    this.#main = main;
    this.#random = new Random(options.seed);
    this.#rebuild = new Program({
      main,
      args: ["rebuild", "--data-dir", dirname(stage.databaseFile), "--nats-url", stage.nats.url],
      env: stage.environment,
      logFile: join(stage.folder, "rebuild.log"),
    });
  }

  async run() {
    const { rounds, say, heartbeatsPerSec, runners, seed } = this.#options;
    const stage = this.#stage;
    stage.projector.start();
    await projectorServes(stage);
    stage.api.start();
    await apiServes(stage, "/readyz");
    const fleet = new Fleet(new Random(seed + 1), runners);
    const heartbeats = await HeartbeatLoad.start(stage.nats.url, fleet, heartbeatsPerSec);
    const events = await EventLoad.start(stage.nats.url, new Random(seed + 2));
    await waitFor(() => this.#runners() >= runners, {
      what: `${runners} runners`,
      timeoutMs: CAUGHT_UP_MS,
    });
    const reader = new TableReader(stage, this.#findings);
    this.#reader = reader;
    let wholeMs = await this.#rebuildWhole();
    for (let round = 1; round <= rounds; round++) {
      if (round % LEFT_ALONE_EVERY === 0) wholeMs = await this.#rebuildWhole();
      const afterMs = this.#random.below(Math.ceil(KILL_WITHIN * wholeMs));
      await this.#killOne(afterMs);
      say(`round ${round}: killed after ${afterMs} ms, ${this.#exchanges()} exchanges so far`);
    }
    const lastMs = await this.#rebuildWhole();
    await Promise.all([heartbeats.stop(), events.stop()]);
    const looks = await reader.stop();
    await this.#check(events.acknowledged);
    const facts = {
      published: heartbeats.published,
      kills: this.#kills,
      exchanges: this.#exchanges(),
      wholeMs,
      lastMs,
      looks,
    };
    say(JSON.stringify(facts));
    return { seed, folder: stage.folder, findings: this.#findings.list(), facts };
  }

  async killAll(): Promise<void> {
    const { projector, api, nats } = this.#stage;
    await this.#reader?.stop();
    await Promise.all([this.#rebuild, projector, api].map((program) => program.kill9()));
    await nats.kill9();
  }

  #runners(): number {
    const sql = "select count(*) from latest_heartbeat";
    return readDatabase(this.#stage, (db) => db.prepare(sql).pluck().get() as number) ?? 0;
  }

  #exchanges(): number {
    const sql = "select min(generation) from checkpoint where lane = 'main'";
    return readDatabase(this.#stage, (db) => db.prepare(sql).pluck().get() as number) ?? 0;
  }

  /** One that is left alone; it must exchange. @returns what it took, ms. */
  async #rebuildWhole(): Promise<number> {
    const before = this.#exchanges();
    const startedAt = performance.now();
    this.#rebuild.start();
    await waitFor(() => !this.#rebuild.isRunning, {
      what: "the end of a rebuild",
      timeoutMs: CAUGHT_UP_MS,
    });
    if (this.#exchanges() !== before + 1)
      this.#findings.add("exchanges of a whole rebuild", `${before} → ${this.#exchanges()}`);
    return performance.now() - startedAt;
  }

  async #killOne(afterMs: number): Promise<void> {
    const { projector } = this.#stage;
    this.#rebuild.start();
    await delay(afterMs);
    if (this.#rebuild.isRunning) this.#kills += 1;
    await this.#rebuild.kill9();
    if (!this.#random.chance(KILL_PROJECTOR_PART)) return;
    await projector.kill9();
    projector.start();
    await projectorServes(this.#stage);
  }

  /** The snapshots among it: had a rebuild taken any again, there would be too many. */
  async #check(acknowledged: EventLoad["acknowledged"]): Promise<void> {
    const stage = this.#stage;
    const findings = this.#findings;
    const nc = await connect({ servers: stage.nats.url });
    try {
      await expectCaughtUp(nc, stage);
      const told = { events: acknowledged, heartbeats: [], registered: [] };
      const facts = await checkStreams(nc, told, [], findings);
      checkTables(stage, facts, findings);
      await checkApi(stage, findings);
      await checkVerify(stage, this.#main, findings);
    } finally {
      await nc.close();
    }
  }
}
