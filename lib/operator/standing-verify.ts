/**
 * The standing check: now and then, a few runners' rows are folded again from their messages and
 * compared with those that are served. What differs stays known until a later check, or a rebuild,
 * finds it gone.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { messageOf } from "../core/errors.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { streamName } from "../core/subject.ts";
import type { Prefixes } from "../core/subject.ts";
import { recordCheck, runnersWithFindings } from "../store/findings.ts";
import { openReadOnly } from "../store/open.ts";
import type { SqliteDatabase } from "../store/open.ts";
import type { AnyProjection } from "../../projections/projection.ts";
import { judgeRunner } from "./row-sample.ts";
import type { SampleReport } from "./row-sample.ts";
import { StreamRate } from "./stream-rate.ts";

/** Runners that are looked at in a pass, and those besides of which a difference is known. */
const RUNNERS = 3;
const KNOWN_RUNNERS = 3;
/** Between two runners, so that folding goes first. */
const PAUSE_MS = 250;

export interface StandingVerifyOptions {
  readonly nc: NatsConnection;
  /** Open for writing. */
  readonly db: SqliteDatabase;
  readonly databaseFile: string;
  readonly prefixes: Prefixes;
  readonly projections: readonly AnyProjection[];
  readonly everySec: number;
  readonly log: Logger;
  /** 0 to 1, 1 excluded. */
  readonly random: () => number;
}

/** Starts to check, until it is closed. */
export function startStandingVerify(options: StandingVerifyOptions): { close(): Promise<void> } {
  const abort = new AbortController();
  const { signal } = abort;
  const rate = new StreamRate();
  const running = (async () => {
    await see(options, rate).catch(() => undefined);
    while (!signal.aborted) {
      await delay(options.everySec * 1_000, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      try {
        await see(options, rate);
        await verifySample({ ...options, isBusy: rate.isBusy, signal });
      } catch (error) {
        options.log.debug(`the rows could not be checked now: ${messageOf(error)}`);
      }
    }
  })();
  return {
    close: async () => {
      abort.abort();
      await running;
    },
  };
}

async function see({ nc, prefixes }: StandingVerifyOptions, rate: StreamRate): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const { state } = await jsm.streams.info(streamName(prefixes, "heartbeats"));
  rate.see(state.last_seq, performance.now());
}

export interface PassOptions extends StandingVerifyOptions {
  /** Whether much comes in meanwhile. */
  readonly isBusy: boolean;
  readonly signal?: AbortSignal;
}

/** One pass. @throws AppError `unavailable` when streams or database can't be read. */
export async function verifySample(options: PassOptions): Promise<void> {
  const reading = openReadOnly(options.databaseFile);
  try {
    const jsm = await jetstreamManager(options.nc, { checkAPI: false });
    const { db, log, signal } = options;
    const known = runnersWithFindings(db, KNOWN_RUNNERS);
    const sample = { ...options, db: reading, jsm };
    const reports: [string, SampleReport][] = [];
    for (const runner of new Set([...known, ...someRunners(reading, options.random)])) {
      if (signal?.aborted === true) return;
      let report = await judgeRunner(sample, runner as RunnerId);
      // Said to people only when it is there twice.
      if (report.findings.length > 0) report = await judgeRunner(sample, runner as RunnerId);
      reports.push([runner, report]);
      await delay(PAUSE_MS, undefined, { ref: false });
    }
    record(db, log, reports);
  } finally {
    reading.close();
  }
}

function record(
  db: SqliteDatabase,
  log: Logger,
  reports: readonly (readonly [runner: string, SampleReport])[],
): void {
  const findings = reports.flatMap(([, report]) => report.findings);
  recordCheck(db, {
    scope: "sample",
    rows: reports.reduce((sum, [, { rows }]) => sum + rows, 0),
    unjudged: reports.reduce((sum, [, { unjudged }]) => sum + unjudged, 0),
    judged: reports.flatMap(([runner, { judged }]) =>
      judged.map((projection) => ({ projection, runners: [runner] })),
    ),
    findings,
  });
  const [first] = findings;
  if (first === undefined) return;
  const { projection, row, column, firstSeq, lastSeq, stream } = first;
  log.error(
    { projection, row, column, stream, firstSeq, lastSeq, differences: findings.length },
    `rows are not what their messages give, the first is ${projection} ${row}: \`runbeat verify\` ` +
      `tells all of it, \`runbeat rebuild ${projection}\` mends it`,
  );
}

/** Runners at random places of the table: reading all of their names would cost too much. */
function someRunners(db: SqliteDatabase, random: () => number): string[] {
  const last = db.prepare("select max(rowid) from latest_heartbeat").pluck().get() as number | null;
  if (last === null) return [];
  const at = db.prepare("select runner from latest_heartbeat where rowid >= ? limit 1").pluck();
  return Array.from({ length: RUNNERS }, () => 1 + Math.floor(random() * last)).flatMap(
    (rowid) => (at.get(rowid) as string | undefined) ?? [],
  );
}
