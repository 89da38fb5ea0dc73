/** Compares the read models and the API with the streams. */
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import type { SqliteDatabase } from "../../lib/store/sqlite.ts";
import type { Findings } from "./findings.ts";
import { readDatabase } from "./stage.ts";
import type { Stage } from "./stage.ts";
import type { StreamFacts } from "./stream-checks.ts";

const MAX_REPORT_BYTES = 64 * 1024 * 1024;

interface VerifyReport {
  readonly differences: number;
  readonly unjudged: number;
  readonly tables: readonly {
    table: string;
    problem: string | null;
    differences: readonly object[];
  }[];
}

type Verified = Pick<Stage, "databaseFile" | "nats" | "environment">;

/** `runbeat verify --json` finds no difference, and has judged every row. */
export async function checkVerify(
  stage: Verified,
  main: string,
  findings: Findings,
): Promise<void> {
  const args = [
    main,
    "verify",
    "--json",
    "--data-dir",
    dirname(stage.databaseFile),
    "--nats-url",
    stage.nats.url,
  ];
  const { code, stdout, stderr } = await run(args, stage);
  if (code !== 0) findings.add("verify", `exit code ${code}: ${stderr}`);
  if (!stdout.startsWith("{")) return findings.add("verify", `no report: ${stderr}`);
  const report = JSON.parse(stdout) as VerifyReport;
  findings.expectEqual("rows not judged by verify", report.unjudged, 0);
  for (const { table, problem, differences } of report.tables) {
    if (problem !== null) findings.add(`verify of ${table}`, problem);
    for (const difference of differences)
      findings.add(`verify of ${table}`, JSON.stringify(difference));
  }
}

async function run(args: readonly string[], stage: Verified) {
  return await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const options = { env: stage.environment, maxBuffer: MAX_REPORT_BYTES };
    execFile(process.execPath, [...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

/** Counts that `verify` can't get wrong in the same way as the projector. */
export function checkTables(stage: Stage, facts: StreamFacts, findings: Findings): void {
  readDatabase(stage, (db) => {
    const one = (sql: string) => db.prepare(sql).pluck().get() as number;
    findings.expectEqual(
      "heartbeats counted",
      one("select sum(heartbeat_count) from running_process"),
      facts.goodHeartbeats,
    );
    const folded = new Set(db.prepare("select stream_seq from timeline").pluck().all() as number[]);
    findings.expectEqual("rows of the timeline", folded.size, facts.goodEvents.size);
    for (const seq of facts.goodEvents)
      if (!folded.has(seq)) findings.add("event not in the timeline", String(seq));
    const snapshots = facts.snapshots + facts.snapshotGhosts;
    findings.expectEqual(
      "rows of runner_heartbeat",
      one("select count(*) from runner_heartbeat"),
      snapshots,
    );
    const rejected = facts.rejected + facts.rejectedGhosts;
    findings.expectEqual("rows of quarantine", one("select count(*) from quarantine"), rejected);
    findings.expectEqual(
      "stopped projections",
      one("select count(*) from checkpoint where state <> 'running'"),
      0,
    );
    findings.expectEqual("fast lane", one("select active from lane where lane = 'fast'"), 0);
  });
}

interface Summary {
  readonly total: number;
  readonly status: Readonly<Record<string, number>>;
  readonly kinds: Readonly<Record<string, unknown>>;
}

/** The API is ready and counts the runners that the tables have. */
export async function checkApi(stage: Stage, findings: Findings): Promise<void> {
  const ready = await fetch(`${stage.apiUrl}/readyz`);
  findings.expectEqual("/readyz", ready.status, 200);
  await ready.arrayBuffer();
  const answer = await fetch(`${stage.apiUrl}/api/v1/summary`);
  findings.expectEqual("/api/v1/summary", answer.status, 200);
  const summary = (await answer.json()) as Summary;
  const runners = readDatabase(stage, countRunners);
  findings.expectEqual("runners in the summary", summary.total, runners);
  const byStatus = Object.values(summary.status).reduce((sum, count) => sum + count, 0);
  findings.expectEqual("statuses in the summary", byStatus, runners);
}

function countRunners(db: SqliteDatabase): number {
  return db
    .prepare(
      `select count(*) from (select runner from latest_heartbeat union
        select runner from process_lifecycle union select runner from restart_state)`,
    )
    .pluck()
    .get() as number;
}
