/**
 * Hosts die and come back while sentinels are killed and NATS and the places that take alerts go
 * away, at random instants; then: was each alert told once to each, grouped, with its end?
 */
import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { parseAlertRecord } from "../../lib/core/alert.ts";
import type { Alert } from "../../lib/core/alert.ts";
import { readAll } from "../projector/emitter-rig.ts";
import { chains, toldChanges } from "../sentinel/sentinel-rig.ts";
import {
  openSentinelStage,
  postedAlerts,
  SHORT_WITHOUT_FLAPPING,
  untilAll,
} from "../sentinel/sentinel-stage.ts";
import type { SentinelStage } from "../sentinel/sentinel-stage.ts";
import { waitFor } from "../support/wait-for.ts";
import { Findings } from "./findings.ts";
import type { Program } from "./program.ts";
import { Random } from "./random.ts";

const HOSTS = ["edge-1", "edge-2", "edge-3"];
const PER_HOST = 5;
const NAMES = HOSTS.flatMap((host) => namesOf(host));
const MAX_CALM_MS = 9_000;
const MAX_PAUSE_MS = 1_500;
const MAX_NATS_AWAY_MS = 6_000;
const SETTLE_MS = 120_000;
/** Between a sink's answer and ours a kill makes it be told again: nobody could know. */
const WINDOW_MS = 1_000;

export interface SentinelRoundsOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

export interface SentinelRoundsReport {
  readonly folder: string;
  readonly findings: readonly string[];
}

/** @throws when something does not come right in time. */
export async function runSentinelRounds(
  options: SentinelRoundsOptions,
): Promise<SentinelRoundsReport> {
  const stage = await openSentinelStage(SHORT_WITHOUT_FLAPPING);
  try {
    const findings = await new SentinelRounds(options, stage).run();
    if (findings.length === 0) rmSync(stage.folder, { recursive: true, force: true });
    return { folder: stage.folder, findings };
  } catch (error) {
    throw new Error(`folder ${stage.folder}: ${(error as Error).message}`, { cause: error });
  } finally {
    await stage.close();
  }
}

function namesOf(host: string): string[] {
  return Array.from({ length: PER_HOST }, (_, index) => `process/${host}-${index}/default`);
}

class SentinelRounds {
  readonly #options: SentinelRoundsOptions;
  readonly #stage: SentinelStage;
  readonly #random: Random;
  readonly #findings = new Findings();
  readonly #hosts: ReadonlyMap<string, Program>;
  /** Epoch ms of each kill of a sentinel and stop of NATS. */
  readonly #cuts: number[] = [];
  readonly #counts = { hosts: 0, sentinels: 0, nats: 0, sinks: 0, excused: 0 };

  constructor(options: SentinelRoundsOptions, stage: SentinelStage) {
    this.#options = options;
    this.#stage = stage;
    this.#random = new Random(options.seed);
    this.#hosts = new Map(HOSTS.map((host) => [host, stage.runners(namesOf(host), host)]));
  }

  async run(): Promise<readonly string[]> {
    const { rounds, say } = this.#options;
    const stage = this.#stage;
    await stage.start();
    for (const host of this.#hosts.values()) host.start();
    await untilAll(stage, NAMES, "online");
    for (let round = 1; round <= rounds; round++) {
      await this.#round();
      say(`round ${round}: ${JSON.stringify(this.#counts)}, ${stage.hook.taken.length} posts`);
    }
    await this.#check();
    return this.#findings.list();
  }

  /** One host dies and comes back; meanwhile two or three other things happen. */
  async #round(): Promise<void> {
    const random = this.#random;
    const stage = this.#stage;
    const host = this.#hosts.get(random.pick(HOSTS));
    const troubles = random
      .shuffled([this.#killSentinel, this.#stopNats, this.#loseHook, this.#loseMail])
      .slice(0, 2 + random.below(2));
    const dies = (async () => {
      await delay(random.below(MAX_PAUSE_MS));
      await host?.kill9();
      this.#counts.hosts += 1;
    })();
    for (const trouble of troubles) {
      await delay(random.below(MAX_CALM_MS / troubles.length));
      await trouble.call(this);
    }
    await dies;
    await delay(random.below(MAX_CALM_MS));
    stage.hook.setAway(false);
    stage.mail.setAway(false);
    host?.start();
    await untilAll(stage, NAMES, "online");
    await this.#untilTold();
  }

  async #killSentinel(): Promise<void> {
    const { sentinel } = this.#stage;
    this.#cuts.push(Date.now());
    this.#counts.sentinels += 1;
    await sentinel.kill9();
    await delay(this.#random.below(MAX_PAUSE_MS));
    sentinel.start();
  }

  async #stopNats(): Promise<void> {
    const { nats } = this.#stage;
    this.#cuts.push(Date.now());
    this.#counts.nats += 1;
    await (this.#random.chance(0.5) ? nats.kill9() : nats.stop());
    await delay(this.#random.below(MAX_NATS_AWAY_MS));
    if (this.#random.chance(0.5)) await this.#killSentinel();
    await nats.restart();
  }

  #loseHook(): Promise<void> {
    this.#counts.sinks += 1;
    this.#stage.hook.setAway(true);
    return Promise.resolve();
  }

  #loseMail(): Promise<void> {
    this.#counts.sinks += 1;
    this.#stage.mail.setAway(true);
    return Promise.resolve();
  }

  /** Every alert is over, and everything that was to be told is told. */
  async #untilTold(): Promise<void> {
    const { folder } = this.#stage;
    await waitFor(
      async () => {
        const last = new Map((await this.#stored()).map((alert) => [alert.id, alert]));
        const posted = new Set(postedAlerts(this.#stage).map(keyOf));
        return [...last.values()].every(
          (alert) => alert.action === "resolved" && (!alert.notify || posted.has(keyOf(alert))),
        );
      },
      { what: `every alert is over and told (${folder})`, timeoutMs: SETTLE_MS },
    );
  }

  async #stored(): Promise<Alert[]> {
    const nc = await connect({ servers: this.#stage.nats.url });
    try {
      return (await readAll(nc, "RUNBEAT_ALERTS")).flatMap(({ subject, data }) => {
        const type = subject.slice(subject.lastIndexOf(".") + 1);
        const record = parseAlertRecord(type, data);
        return record?.kind === "alert" ? [record.alert] : [];
      });
    } finally {
      await nc.close();
    }
  }

  async #check(): Promise<void> {
    const stored = await this.#stored();
    this.#checkPosts();
    this.#checkMails(stored);
    this.#checkGroups(stored);
    const nc = await connect({ servers: this.#stage.nats.url });
    // It throws where a change does not begin where the one before it ended.
    chains(await toldChanges(nc));
    await nc.close();
    const byType = new Map<string, number>();
    for (const { type, revision } of stored) {
      if (revision === 1) byType.set(type, (byType.get(type) ?? 0) + 1);
    }
    this.#options.say(JSON.stringify({ ...Object.fromEntries(byType), ...this.#counts }));
  }

  /** Each state of an alert once, unless a kill came between the answer and its note. */
  #checkPosts(): void {
    const posted = this.#stage.hook.taken.flatMap(({ body, at }) => {
      const { alerts } = JSON.parse(body) as { alerts: { id: string; revision: number }[] };
      return alerts.map((alert): [string, number] => [keyOf(alert), at]);
    });
    this.#checkOnce("posted twice", posted);
  }

  #checkMails(stored: readonly Alert[]): void {
    const { mails, takenAt } = this.#stage.mail;
    const keys = mails.map((mail) => /^Message-ID: <(.*)@runbeat>/im.exec(mail)?.[1] ?? "");
    this.#checkOnce(
      "mailed twice",
      keys.map((key, index): [string, number] => [key, takenAt[index] ?? 0]),
    );
    const text = mails.join("\n").replaceAll(/=\r?\n/g, "");
    const over = stored.filter(({ action, notify }) => action === "resolved" && notify);
    const ends = text.match(/\[RESOLVED\] \S+/g)?.length ?? 0;
    if (ends < new Set(over.map(({ id }) => id)).size)
      this.#findings.add("not mailed", `${ends} ends of ${over.length}`);
  }

  #checkOnce(finding: string, taken: readonly (readonly [key: string, at: number])[]): void {
    const seen = new Map<string, number>();
    for (const [key, at] of taken) {
      const first = seen.get(key);
      seen.set(key, at);
      if (first === undefined) continue;
      const isExcused = this.#cuts.some(
        (cut) => cut >= first - WINDOW_MS && cut - first < WINDOW_MS,
      );
      if (isExcused) this.#counts.excused += 1;
      else this.#findings.add(finding, key);
    }
  }

  /** One for each host that died: never one for each of its runners. */
  #checkGroups(stored: readonly Alert[]): void {
    const opened = stored.filter(({ revision }) => revision === 1);
    const down = opened.filter(({ type }) => type === "host_down").length;
    if (down > this.#counts.hosts) {
      this.#findings.add("told apart", `${down} alerts of ${this.#counts.hosts} dead hosts`);
    }
    for (const { type, id } of opened) {
      if (type !== "host_down" && type !== "pipeline_down") this.#findings.add(type, id);
    }
  }
}

function keyOf({ id, revision }: { readonly id: string; readonly revision: number }): string {
  return `${id} ${revision}`;
}
