import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DEFAULT_PREFIXES, streamName, subjectPrefix } from "../../lib/core/subject.ts";
import { readToEnd } from "../../lib/nats/read-to-end.ts";
import { quantile } from "./figures.ts";
import type { Figures } from "./figures.ts";
import { HEARTBEATS, resetStreams, startCommand, stopCommand, until } from "./stage.ts";
import type { Stage } from "./stage.ts";

const RUNNERS = 1_000;
/** A process for each runner does not fit the machine: so many real ones are 250 runners each. */
const HOSTS = 4;
const EVERY_SEC = 2;
const KILLS = 3;
/** Shorter than the defaults, so that a round takes seconds; nothing else depends on them. */
const ONLINE_SEC = 5;
const STALE_SEC = 8;
const OFFLINE_SEC = 11;
const SETTLE_MS = 3_000;
const THRESHOLDS = {
  HEARTBEAT_ONLINE_SEC: String(ONLINE_SEC),
  HEARTBEAT_STALE_SEC: String(STALE_SEC),
  HEARTBEAT_OFFLINE_SEC: String(OFFLINE_SEC),
};
const STEPS = [
  { to: "stale", afterSec: ONLINE_SEC },
  { to: "missing", afterSec: STALE_SEC },
  { to: "offline", afterSec: OFFLINE_SEC },
] as const;

/** By runner; times are those of the stream. */
interface Told {
  readonly runner: string;
  readonly to: string;
  readonly at: number;
}

/** From the SIGKILL of 1,000 runners at once to the `status_changed` of each. */
export async function measureSentinel(stage: Stage, figures: Figures): Promise<void> {
  const runners = RUNNERS.toLocaleString("en-US");
  figures.heading(
    `SIGKILL of ${runners} runners at once (${HOSTS} processes) to their status_changed, over the threshold`,
  );
  await resetStreams(stage);
  const dataDir = join(stage.dir, "sentinel");
  mkdirSync(dataDir);
  const fleet = join(dataDir, "fleet.yaml");
  writeFileSync(fleet, "runners: {}\n");
  const env = { ...THRESHOLDS, RUNBEAT_FLEET: fleet };
  const commands = ["projector", "sentinel"].map((name) =>
    startCommand(stage, dataDir, [name], env),
  );
  try {
    const late = new Map<string, number[]>(STEPS.map(({ to }) => [to, []]));
    const waited: number[] = [];
    for (let kill = 0; kill < KILLS; kill++) await measureKill(stage, late, waited);
    for (const { to } of STEPS) addSpread(figures, `${to}, from the last heartbeat`, late.get(to));
    addSpread(figures, "stale, from the SIGKILL", waited);
  } finally {
    for (const command of commands) await stopCommand(command);
  }
}

function addSpread(figures: Figures, name: string, values: readonly number[] = []): void {
  const sorted = Float64Array.from(values).toSorted();
  figures.add(`${name}: p50`, quantile(sorted, 0.5), "ms");
  figures.add(`${name}: p99`, quantile(sorted, 0.99), "ms");
  figures.add(`${name}: max`, quantile(sorted, 1), "ms");
}

async function measureKill(
  stage: Stage,
  late: Map<string, number[]>,
  waited: number[],
): Promise<void> {
  const { last_seq: from } = await eventState(stage);
  const hosts = Array.from({ length: HOSTS }, (_, index) => startHost(stage, index));
  await untilTold(stage, from, "online");
  // Their heartbeats spread over the interval, as those of a fleet do.
  await delay(SETTLE_MS);
  const { last_seq: killedSeq } = await eventState(stage);
  await killAll(hosts);
  const { state, ts } = await stage.jsm.streams.info(HEARTBEATS);
  const killedAt = Date.parse(ts ?? "");
  const told = await untilTold(stage, killedSeq, "offline");
  const lastBeats = await readLastBeats(stage, state.last_seq);
  for (const { runner, to, at } of told) {
    const step = STEPS.find((one) => one.to === to);
    if (step === undefined) throw new Error(`${runner} was told to be ${to} after its end`);
    const dueAt = (lastBeats.get(runner) ?? Number.NaN) + step.afterSec * 1_000;
    late.get(to)?.push(at - dueAt);
    if (to === "stale") waited.push(at - killedAt - ONLINE_SEC * 1_000);
  }
  if (told.length !== RUNNERS * STEPS.length) {
    throw new Error(`${told.length} changes were told of ${RUNNERS} runners, each has three`);
  }
}

function startHost({ url }: Stage, index: number): ChildProcess {
  const file = fileURLToPath(new URL("runner-host.js", import.meta.url));
  const each = RUNNERS / HOSTS;
  const args = [file, url, index * each, each, EVERY_SEC].map(String);
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
}

async function killAll(hosts: readonly ChildProcess[]): Promise<void> {
  const gone = hosts.map(async (host) => await once(host, "exit"));
  for (const host of hosts) host.kill("SIGKILL");
  await Promise.all(gone);
}

async function eventState({ jsm }: Stage): Promise<{ last_seq: number }> {
  return (await jsm.streams.info(streamName(DEFAULT_PREFIXES, "events"))).state;
}

/** @returns what was told after a sequence, once every runner was told to be so. */
async function untilTold(stage: Stage, after: number, status: string): Promise<Told[]> {
  let told: Told[] = [];
  await until(async () => {
    // Reading it all again costs the machine that is measured: only when enough has come.
    const { last_seq: last } = await eventState(stage);
    if (last - after < RUNNERS) return await delay(200, false);
    told = await readTold(stage, after);
    const reached = told.filter(({ to }) => to === status);
    return reached.length >= RUNNERS || (await delay(1_000, false));
  });
  return told;
}

async function readTold({ nc, jsm }: Stage, after: number): Promise<Told[]> {
  const prefix = subjectPrefix(DEFAULT_PREFIXES, "events");
  const told: Told[] = [];
  await readToEnd({
    nc,
    jsm,
    stream: streamName(DEFAULT_PREFIXES, "events"),
    start: { fromSeq: after + 1 },
    filterSubjects: [`${prefix}*.*.*.status_changed`],
    onMessage: ({ subject, data, timeMs }) => {
      const { to } = JSON.parse(Buffer.from(data).toString()) as { to: string };
      told.push({ runner: subject.slice(prefix.length), to, at: timeMs });
    },
  });
  return told.map(({ runner, ...rest }) => ({ runner: runnerOf(runner), ...rest }));
}

/** When the stream stored the last heartbeat of each. */
async function readLastBeats({ nc, jsm }: Stage, upTo: number): Promise<Map<string, number>> {
  const prefix = subjectPrefix(DEFAULT_PREFIXES, "heartbeats");
  const last = new Map<string, number>();
  await readToEnd({
    nc,
    jsm,
    stream: HEARTBEATS,
    start: { lastPerSubject: true },
    filterSubjects: [`${prefix}>`],
    onMessage: ({ subject, timeMs, seq }) => {
      if (seq <= upTo) last.set(runnerOf(subject.slice(prefix.length)), timeMs);
    },
  });
  return last;
}

function runnerOf(tokens: string): string {
  return tokens.split(".").slice(0, 3).join("/");
}
