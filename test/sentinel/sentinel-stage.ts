/**
 * Projector, sentinel and API as programs of their own over real runners that are programs too,
 * with places on loopback that take alerts: whatever of it can be killed.
 */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort, Program } from "../chaos/program.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import { mailReceiver, webhookReceiver } from "./receivers.ts";
import type { MailReceiver, WebhookReceiver } from "./receivers.ts";

const DIST = resolve(import.meta.dirname, "../../dist");
const MAIN = join(DIST, "cmd", "runbeat.js");

/** On what may be a busy machine. */
const START_MS = 60_000;
const SOON = [
  { type: "pipeline_down", for_sec: 1 },
  { type: "mass_silence", for_sec: 1 },
  { type: "runner_offline", for_sec: 1 },
];

/** Seconds, shorter than the defaults. */
export const SHORT = {
  HEARTBEAT_INTERVAL_SEC: "1",
  HEARTBEAT_ONLINE_SEC: "3",
  HEARTBEAT_STALE_SEC: "4",
  HEARTBEAT_OFFLINE_SEC: "5",
  RUNBEAT_ALERTS_GROUP_WAIT_SEC: "1",
  RUNBEAT_ALERTS_GROW_EVERY_SEC: "1",
  RUNBEAT_ALERTS_RESOLVE_AFTER_SEC: "1",
  RUNBEAT_ALERTS_RULES: JSON.stringify(SOON),
};

/** The same where hosts die again and again: then they also flap, for as long as that is counted. */
export const SHORT_WITHOUT_FLAPPING = {
  ...SHORT,
  RUNBEAT_ALERTS_RULES: JSON.stringify([...SOON, { type: "runner_flapping", enabled: false }]),
};

export interface SentinelStage {
  /** Removed by whoever opened it. */
  readonly folder: string;
  readonly nats: TestNatsServer;
  readonly projector: Program;
  readonly sentinel: Program;
  readonly api: Program;
  readonly url: string;
  readonly hook: WebhookReceiver;
  readonly mail: MailReceiver;
  /** A program that is several runners, each beating by itself through the package's library. */
  runners(names: readonly string[], host: string, everySec?: number): Program;
  /** Starts the programs and waits until the API shows something. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Beats for each of its arguments until it is killed. */
const HOST_SOURCE = `
import { startHeartbeat } from ${JSON.stringify(join(DIST, "lib", "runner", "client.js"))};
const [url, host, intervalSec, ...runners] = process.argv.slice(2);
for (const runner of runners) startHeartbeat({ url, runner, host, intervalSec: Number(intervalSec) });
setInterval(() => {}, 60_000);
`;

export async function openSentinelStage(
  settings: Readonly<Record<string, string>>,
): Promise<SentinelStage> {
  const folder = mkdtempSync(join(tmpdir(), "runbeat-sentinel-"));
  const nats = await startNatsServer({ storeDir: join(folder, "nats") });
  const hook = await webhookReceiver();
  const mail = await mailReceiver();
  const port = await freePort();
  const hostFile = join(folder, "runner-host.mjs");
  writeFileSync(hostFile, HOST_SOURCE);
  const fleet = join(folder, "fleet.yaml");
  writeFileSync(fleet, "runners: {}\n");
  const env = {
    PATH: process.env["PATH"] ?? "",
    TMPDIR: folder,
    NATS_URL: nats.url,
    RUNBEAT_FLEET: fleet,
    RUNBEAT_DATA_DIR: join(folder, "data"),
    RUNBEAT_HTTP_PORT: String(port),
    RUNBEAT_ALERTS_SINKS: JSON.stringify(sinksOf(hook, mail)),
    ...settings,
  };
  const programs: Program[] = [];
  const program = (main: string, args: readonly string[], logName: string): Program => {
    const one = new Program({ main, args, env, logFile: join(folder, `${logName}.log`) });
    programs.push(one);
    return one;
  };
  const [projector, sentinel, api] = ["projector", "sentinel", "api"].map((name) =>
    program(MAIN, [name], name),
  ) as [Program, Program, Program];
  const url = `http://127.0.0.1:${port}`;
  return {
    folder,
    nats,
    projector,
    sentinel,
    api,
    url,
    hook,
    mail,
    runners: (names, host, everySec = 0.5) =>
      program(hostFile, [nats.url, host, String(everySec), ...names], host),
    start: async () => {
      for (const one of [projector, sentinel, api]) one.start();
      await waitFor(async () => (await fetch(`${url}/readyz`)).ok, {
        what: "the API is ready",
        timeoutMs: START_MS,
      });
    },
    close: async () => {
      await Promise.all(programs.map(async (one) => await one.kill9()));
      await nats.kill9();
      await hook.close();
      await mail.close();
    },
  };
}

function sinksOf(hook: WebhookReceiver, mail: MailReceiver): readonly object[] {
  const common = { min_severity: "warning" };
  const email = { type: "email", host: "127.0.0.1", port: mail.port, secure: false };
  const addresses = { from: "runbeat@example.org", to: ["ops@example.org"] };
  return [
    { ...common, name: "hook", type: "webhook", url: hook.url },
    { ...common, name: "mail", ...email, ...addresses },
  ];
}

/** What one delivery tells of one alert. */
export interface ToldAlert {
  readonly id: string;
  readonly type: string;
  readonly action: string;
  readonly revision: number;
  readonly members: readonly { readonly name: string }[];
}

export function postedAlerts({ hook }: SentinelStage): ToldAlert[] {
  return hook.taken.flatMap(({ body }) => (JSON.parse(body) as { alerts: ToldAlert[] }).alerts);
}

/** E.g. `raised host_down 5`, in the order in which they came. */
export function briefOf(alerts: readonly ToldAlert[]): string[] {
  return alerts.map(({ action, type, members }) => `${action} ${type} ${members.length}`);
}

export function subjectsOf({ mail }: SentinelStage): string[] {
  return mail.mails.map((text) => /^Subject: (.*)$/m.exec(text)?.[1] ?? "");
}

export interface SeenRunner {
  readonly runner: string;
  readonly status: string;
  readonly last_heartbeat_at: string | null;
}

export async function seenRunners({ url }: SentinelStage): Promise<readonly SeenRunner[]> {
  const response = await fetch(`${url}/api/v1/runners?limit=1000`);
  if (!response.ok) throw new Error(`the API answered ${response.status}`);
  return ((await response.json()) as { items: SeenRunner[] }).items;
}

/** Waits until all of them, and nobody else, are so. */
export async function untilAll(
  stage: SentinelStage,
  names: readonly string[],
  status: string,
): Promise<void> {
  await waitFor(
    async () => {
      const seen = await seenRunners(stage);
      return seen.length === names.length && seen.every((one) => one.status === status);
    },
    { what: `${names.length} runners ${status}`, timeoutMs: START_MS },
  );
}

/** Every status that the API shows of any runner, until it is stopped. */
export function watchStatuses(stage: SentinelStage): { stop(): Promise<ReadonlySet<string>> } {
  const seen = new Set<string>();
  const ending = new AbortController();
  const work = (async () => {
    while (!ending.signal.aborted) {
      try {
        for (const { status } of await seenRunners(stage)) seen.add(status);
      } catch (error) {
        // The API is never away while it is watched.
        seen.add(String(error));
      }
      await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
    }
  })();
  return {
    stop: async () => {
      ending.abort();
      await work;
      return seen;
    },
  };
}

const LOOK_EVERY_MS = 100;
