/** A fleet that beats, a projector and sentinels over it, on a real server with short thresholds. */
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { openStreamAccess } from "../../lib/api/jetstream-access.ts";
import { startMonitor } from "../../lib/api/pipeline-monitor.ts";
import type { PipelineMonitor } from "../../lib/api/pipeline-monitor.ts";
import { rulesWith } from "../../lib/core/alert-rules.ts";
import { eventBody } from "../../lib/core/event.ts";
import type { EventData, EventType } from "../../lib/core/event.ts";
import type { ReadModels } from "../../lib/core/read-models.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import { DEFAULT_PREFIXES, eventSubject } from "../../lib/core/subject.ts";
import type { Thresholds } from "../../lib/core/status.ts";
import { connectNats } from "../../lib/nats/connect.ts";
import { startProjector } from "../../lib/projector/projector.ts";
import type { AlertSettings } from "../../lib/sentinel/alert-desk.ts";
import { AlertStream } from "../../lib/sentinel/alert-stream.ts";
import { OutageFile } from "../../lib/sentinel/outage-file.ts";
import { OutageTeller } from "../../lib/sentinel/outage-teller.ts";
import { startSentinel } from "../../lib/sentinel/sentinel.ts";
import type { Sentinel, SentinelOptions } from "../../lib/sentinel/sentinel.ts";
import { openDatabase } from "../../lib/store/open.ts";
import { openReadModels } from "../../lib/store/read-models.ts";
import { projections } from "../../projections/index.ts";
import { readAll } from "../projector/emitter-rig.ts";
import { makeLog } from "../support/log-lines.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { makeStreams } from "../support/streams.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

export const THRESHOLDS: Thresholds = {
  intervalSec: 10,
  onlineSec: 1,
  staleSec: 2,
  offlineSec: 3,
  startGraceSec: 1,
};

/** Alerts without waiting, and told soon. */
export const ALERTS: AlertSettings = {
  rules: rulesWith(
    (["runner_offline", "runner_unhealthy", "runner_degraded", "pipeline_down"] as const).map(
      (type) => ({ type, forSec: 0 }),
    ),
  ),
  groupWaitSec: 1,
  growEverySec: 1,
  resolveAfterSec: 1,
  flapWindowSec: 60,
  summaryEverySec: 0,
  hushShare: 0.5,
  hushMin: 3,
};

/** One status_changed as the stream has it. */
export interface ToldChange {
  readonly runner: string;
  readonly from: string;
  readonly to: string;
  readonly cause: string;
  readonly since: number;
  /** When the stream stored it. */
  readonly storedAt: number;
}

export async function toldChanges(nc: NatsConnection): Promise<ToldChange[]> {
  return (await readAll(nc, "RUNBEAT_EVENTS"))
    .filter(({ subject }) => subject.endsWith(".status_changed"))
    .map(({ subject, data, timeMs }) => {
      const body = JSON.parse(Buffer.from(data).toString()) as Record<string, string>;
      const [, , kind, name, profile] = subject.split(".");
      return {
        runner: `${kind}/${name}/${profile}`,
        from: body["from"] ?? "",
        to: body["to"] ?? "",
        cause: body["cause"] ?? "",
        since: Date.parse(body["since"] ?? ""),
        storedAt: timeMs,
      };
    });
}

/** The statuses told of each runner, in order, e.g. `unknown online stale`. */
export function chains(changes: readonly ToldChange[]): Map<string, string> {
  const found = new Map<string, string[]>();
  for (const { runner, from, to } of changes) {
    const chain = found.get(runner) ?? [from];
    if (chain.at(-1) !== from)
      throw new Error(`${runner}: ${chain.join(" ")} is told from ${from}`);
    found.set(runner, [...chain, to]);
  }
  return new Map([...found].map(([runner, chain]) => [runner, chain.join(" ")]));
}

export interface SentinelRig {
  readonly nc: NatsConnection;
  readonly models: ReadModels;
  readonly monitor: PipelineMonitor;
  readonly lines: readonly string[];
  /** Beats once for each. */
  beat(runners: readonly string[], body?: object): void;
  /** Beats for them until `stop`. */
  keepBeating(runners: () => readonly string[], body?: object): { stop(): void };
  sentinel(
    overrides?: Partial<SentinelOptions>,
  ): Promise<{ sentinel: Sentinel; nc: NatsConnection }>;
  /** An event as an enforcer, or whoever `by` is, tells it. */
  tell<Type extends EventType>(
    runner: string,
    type: Type,
    data: EventData<Type>,
    by?: string,
  ): Promise<void>;
  /** Waits until every one of the runners was last told to be so. */
  untilTold(runners: readonly string[], status: string): Promise<ToldChange[]>;
  close(): Promise<void>;
}

const BEAT_EVERY_MS = 200;

export async function sentinelRig(
  server: TestNatsServer,
  settings: { readonly thresholds?: Thresholds; readonly contactMs?: number } = {},
): Promise<SentinelRig> {
  const { log, lines } = makeLog();
  const connect = async () => await connectNats({ url: server.url, name: "test", log });
  const closers: (() => Promise<unknown> | void)[] = [];
  const nc = await connect();
  closers.push(async () => await nc.close());
  await makeStreams(nc);
  const file = join(makeTempDir("sentinel"), "runbeat.db");
  const db = await openDatabase(file);
  closers.push(() => void db.close());
  const projector = await startProjector({ nc, db, prefixes: DEFAULT_PREFIXES, projections, log });
  closers.push(async () => await projector.close());
  const models = openReadModels({ file, thresholds: settings.thresholds ?? THRESHOLDS });
  closers.push(() => models.close());
  const streams = openStreamAccess(Promise.resolve(nc), DEFAULT_PREFIXES);
  const monitor = startMonitor({
    askServer: async () => await streams.askServer(),
    checkpoints: () => models.checkpoints(),
    followed: [{ projection: "latest_heartbeat", stream: "RUNBEAT_HEARTBEATS" }],
    limits: { contactMs: settings.contactMs ?? 3_000, lagMs: 10_000 },
  });
  closers.push(() => monitor.close());
  await waitFor(() => monitor.moment().view.blindSince === null, { what: "all is in sight" });
  const beat = (runners: readonly string[], body: object = {}): void => {
    const data = JSON.stringify({ pid: 7, host: "edge-1", interval_sec: 1, ...body });
    for (const runner of runners) nc.publish(`runbeat.hb.${runner.replaceAll("/", ".")}`, data);
  };
  return {
    nc,
    models,
    monitor,
    lines,
    beat,
    keepBeating: (runners, body) => {
      const timer = setInterval(() => beat(runners(), body), BEAT_EVERY_MS);
      closers.push(() => clearInterval(timer));
      return { stop: () => clearInterval(timer) };
    },
    sentinel: async (overrides = {}) => {
      const own = await connect();
      const by = `sentinel@test-${closers.length}`;
      const outages = new OutageTeller({
        outage: () => monitor.trouble(),
        rule: ALERTS.rules.pipeline_down,
        sinks: overrides.sinks ?? [],
        file: new OutageFile(join(makeTempDir("sentinel"), "sentinel.json")),
        store: async (alerts) => {
          const jsm = await jetstreamManager(own, { checkAPI: false });
          const stream = new AlertStream({ nc: own, jsm, prefixes: DEFAULT_PREFIXES, by });
          await stream.writeOwn(alerts, Date.now());
        },
        log,
      });
      closers.push(() => outages.close());
      let last = 0;
      const sentinel = await startSentinel({
        nc: own,
        prefixes: DEFAULT_PREFIXES,
        bucket: "RUNBEAT_STATE",
        holder: `test ${closers.length}`,
        by,
        models,
        moment: () => {
          const { now, view } = monitor.moment();
          last = Math.max(last, now - (monitor.lagMs() ?? 0));
          return { now: last, view };
        },
        outages,
        alerts: ALERTS,
        retireAfterSec: 0,
        ownTroubles: () => [],
        sinks: [],
        log,
        leaseTtlMs: 1_000,
        ...overrides,
      });
      closers.push(async () => {
        await sentinel.stop();
        await own.close();
      });
      return { sentinel, nc: own };
    },
    tell: async (runner, type, data, by = "enforcer@edge-1") => {
      const subject = eventSubject(DEFAULT_PREFIXES, runner as RunnerId, type);
      const body = eventBody(type, by, Date.now(), data);
      await jetstream(nc).publish(subject, JSON.stringify(body));
    },
    untilTold: async (runners, status) =>
      await waitFor(
        async () => {
          const changes = await toldChanges(nc);
          const last = new Map(changes.map(({ runner, to }) => [runner, to]));
          return runners.every((runner) => last.get(runner) === status) && changes;
        },
        { what: `${runners.length} runners told to be ${status}` },
      ),
    close: async () => {
      for (const close of closers.toReversed()) await close();
    },
  };
}
