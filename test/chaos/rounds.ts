/**
 * Kills the product's processes and its NATS server at random instants under load, again and
 * again, and then compares all that is left: streams, tables, API.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { expectCaughtUp } from "./catch-up.ts";
import { EventLoad } from "./event-load.ts";
import { Findings } from "./findings.ts";
import { Fleet } from "./fleet.ts";
import { HeartbeatLoad } from "./heartbeat-load.ts";
import { HttpLoad } from "./http-load.ts";
import { buildProduct } from "./program.ts";
import { Random } from "./random.ts";
import {
  apiServes,
  loseTails,
  openStage,
  projectorIsLive,
  projectorServes,
  removeDatabase,
  startNats,
} from "./stage.ts";
import type { Part, Stage } from "./stage.ts";
import { checkStreams } from "./stream-checks.ts";
import { checkApi, checkTables, checkVerify } from "./table-checks.ts";

/** A kill comes at a random instant within this time after everything serves. */
const MAX_CALM_MS = 800;
/** Between the kills of one round, and before each restart. */
const MAX_PAUSE_MS = 400;
const TWO_VICTIMS_PART = 0.4;
const REMOVE_DATABASE_PART = 0.15;
const START_RIVAL_PART = 0.15;
const KILL_RIVAL_PART = 0.4;
/** Rounds after which the projector may fold all before the next one. */
const CATCH_UP_PART = 0.1;
/** Longer than the emitter's lease. */
const STALL_MS = 5_000;

export interface ChaosOptions {
  readonly rounds: number;
  readonly heartbeatsPerSec: number;
  readonly runners: number;
  readonly seed: number;
  /** What is killed; without the API in it there is none. */
  readonly parts: readonly Part[];
  /** How often a projector is stopped for a while and goes on, beside another: 0 to 1. */
  readonly stallPart: number;
  /** How often a killed nats-server loses the ends of its files too, as on power loss: 0 to 1. */
  readonly powerLossPart: number;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  /** Kept where something was found. */
  readonly folder: string;
  readonly findings: readonly string[];
  readonly facts: Readonly<Record<string, unknown>>;
}

/** @throws when a part does not serve again in time; the message names seed, round and folder. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const product = buildProduct(`runbeat-chaos-${process.pid}`);
  const stage = await openStage(product.main);
  const run = new ChaosRun(options, stage, product.main);
  try {
    const report = await run.run();
    if (report.findings.length === 0) rmSync(stage.folder, { recursive: true, force: true });
    return report;
  } catch (error) {
    const where = `seed ${options.seed}, round ${run.round}, folder ${stage.folder}`;
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  } finally {
    await run.killAll();
    rmSync(product.folder, { recursive: true, force: true });
  }
}

class ChaosRun {
  round = 0;
  readonly #options: ChaosOptions;
  readonly #stage: Stage;
  readonly #main: string;
  readonly #random: Random;
  readonly #findings = new Findings();
  /** When the server was killed, epoch ms. */
  readonly #natsKills: number[] = [];
  readonly #kills: Record<Part | "rival" | "database" | "power" | "stall", number> = {
    nats: 0,
    projector: 0,
    api: 0,
    rival: 0,
    database: 0,
    power: 0,
    stall: 0,
  };

  constructor(options: ChaosOptions, stage: Stage, main: string) {
    this.#options = options;
    this.#stage = stage;
    this.#main = main;
    this.#random = new Random(options.seed);
  }

  async run(): Promise<ChaosReport> {
    const { rounds, seed, say } = this.#options;
    const stage = this.#stage;
    stage.projector.start();
    await projectorServes(stage);
    if (this.#hasApi) {
      stage.api.start();
      await apiServes(stage, "/readyz");
    }
    const load = await this.#startLoad();
    for (this.round = 1; this.round <= rounds; this.round++) await this.#playRound(load.events);
    await Promise.all([load.heartbeats.stop(), load.events.stop(), load.http?.stop()]);
    const acknowledged = {
      events: load.events.acknowledged,
      heartbeats: load.http?.accepted ?? [],
      registered: load.http?.registered ?? [],
    };
    const facts = await this.#check(acknowledged);
    await this.#stopAll();
    const report = {
      seed,
      folder: stage.folder,
      findings: this.#findings.list(),
      facts: {
        rounds,
        kills: this.#kills,
        published: load.heartbeats.published,
        acknowledgedEvents: acknowledged.events.length,
        acceptedOverHttp: acknowledged.heartbeats.length,
        registered: acknowledged.registered.length,
        httpAnswers: Object.fromEntries(load.http?.answers ?? []),
        ...facts,
      },
    };
    say(JSON.stringify(report, null, 2));
    writeFileSync(join(stage.folder, "report.json"), JSON.stringify(report, null, 2));
    return report;
  }

  get #hasApi(): boolean {
    return this.#options.parts.includes("api");
  }

  /** Ends what an aborted run has left. */
  async killAll(): Promise<void> {
    const { projector, rival, api, nats } = this.#stage;
    await Promise.all([projector, rival, api].map((program) => program.kill9()));
    await nats.kill9();
  }

  async #startLoad() {
    const { runners, heartbeatsPerSec, seed } = this.#options;
    const { nats, apiUrl } = this.#stage;
    // Streams of chance of their own: the kills stay the same however the load goes.
    const fleet = new Fleet(new Random(seed + 1), runners);
    return {
      heartbeats: await HeartbeatLoad.start(nats.url, fleet, heartbeatsPerSec),
      events: await EventLoad.start(nats.url, new Random(seed + 2)),
      http: this.#hasApi ? new HttpLoad(apiUrl) : undefined,
    };
  }

  async #playRound(events: EventLoad): Promise<void> {
    const random = this.#random;
    const startedAt = performance.now();
    await delay(random.below(MAX_CALM_MS));
    const victims = random
      .shuffled(this.#options.parts)
      .slice(0, random.chance(TWO_VICTIMS_PART) ? 2 : 1);
    const notes: string[] = [...victims];
    for (const victim of victims) {
      await this.#kill(victim);
      if (random.chance(0.5)) await delay(random.below(MAX_PAUSE_MS));
    }
    notes.push(...(await this.#meddle(victims)));
    for (const victim of random.shuffled(victims)) {
      await delay(random.below(MAX_PAUSE_MS));
      await this.#start(victim);
    }
    await events.probe();
    await projectorServes(this.#stage);
    if (this.#hasApi) await apiServes(this.#stage);
    if (random.chance(CATCH_UP_PART)) {
      await projectorIsLive(this.#stage);
      notes.push("caught up");
    }
    const tookMs = Math.round(performance.now() - startedAt);
    this.#options.say(`round ${this.round}: ${notes.join(", ")} (${tookMs} ms)`);
  }

  async #kill(part: Part): Promise<void> {
    this.#kills[part] += 1;
    const { projector, api, nats } = this.#stage;
    switch (part) {
      case "nats":
        await nats.kill9();
        this.#natsKills.push(Date.now());
        return;
      case "projector":
        return await projector.kill9();
      case "api":
        return await api.kill9();
    }
  }

  async #start(part: Part): Promise<void> {
    switch (part) {
      case "nats":
        return await startNats(this.#stage);
      case "projector":
        return this.#stage.projector.start();
      case "api":
        return this.#stage.api.start();
    }
  }

  /** What else goes wrong: two projectors by mistake, one that stands still, a database removed. */
  async #meddle(victims: readonly Part[]): Promise<string[]> {
    const random = this.#random;
    const { projector, rival } = this.#stage;
    const notes: string[] = [];
    if (rival.isRunning && random.chance(KILL_RIVAL_PART)) {
      await rival.kill9();
      this.#kills.rival += 1;
      notes.push("rival killed");
    } else if (!rival.isRunning && random.chance(START_RIVAL_PART)) {
      rival.start();
      notes.push("rival started");
    }
    if (victims.includes("nats") && random.chance(this.#options.powerLossPart)) {
      loseTails(this.#stage, () => (random.chance(0.5) ? random.next() : 0));
      this.#kills.power += 1;
      notes.push("power lost");
    }
    if (victims.includes("projector") && !rival.isRunning && random.chance(REMOVE_DATABASE_PART)) {
      removeDatabase(this.#stage);
      this.#kills.database += 1;
      notes.push("database removed");
    }
    if (projector.isRunning && rival.isRunning && random.chance(this.#options.stallPart)) {
      projector.signal("SIGSTOP");
      await delay(STALL_MS);
      projector.signal("SIGCONT");
      this.#kills.stall += 1;
      notes.push("projector stalled");
    }
    return notes;
  }

  async #check(acknowledged: Parameters<typeof checkStreams>[1]) {
    const stage = this.#stage;
    const findings = this.#findings;
    const nc = await connect({ servers: stage.nats.url });
    try {
      const startedAt = performance.now();
      await expectCaughtUp(nc, stage);
      const caughtUpMs = Math.round(performance.now() - startedAt);
      const facts = await checkStreams(nc, acknowledged, this.#natsKills, findings);
      checkTables(stage, facts, findings);
      if (this.#hasApi) await checkApi(stage, findings);
      await checkVerify(stage, this.#main, findings);
      return { ...facts, goodEvents: facts.goodEvents.size, caughtUpMs };
    } finally {
      await nc.close();
    }
  }

  /** Everything ends when it is told to, and leaves nothing behind. */
  async #stopAll(): Promise<void> {
    const { projector, rival, api, nats, natsPids, apiPort } = this.#stage;
    for (const program of [api, rival, projector]) {
      await program.stop().catch((error: unknown) => {
        this.#findings.add("stop", (error as Error).message);
      });
    }
    await nats.stop();
    const pids = [...projector.pids, ...rival.pids, ...api.pids, ...natsPids];
    for (const pid of pids.filter(isOurs)) this.#findings.add("process left", String(pid));
    for (const port of [apiPort, nats.port]) {
      if (await isOpen(port)) this.#findings.add("port left open", String(port));
    }
  }
}

/** Whether it still lives as a child of this process: its number may be another's by now. */
function isOurs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const parent = stat.slice(stat.lastIndexOf(")") + 1).split(" ")[2];
    return Number(parent) === process.pid;
  } catch {
    return false;
  }
}

async function isOpen(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connectSocket({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
