/** The runs of this host as their records say, for whoever only looks: nothing is changed. */
import type { HostProcesses } from "../core/host-processes.ts";
import type { RunSeen } from "../core/observed.ts";
import type { RunnerId } from "../core/runner-id.ts";
import { listRunners, listRuns, readRecord } from "./run-files.ts";
import type { RunRecord } from "./run-files.ts";

export function lookAtRuns(
  runsDir: string,
  host: Pick<HostProcesses, "isAlive">,
  now: number,
): Map<RunnerId, RunSeen> {
  const seen = new Map<RunnerId, RunSeen>();
  for (const runner of listRunners(runsDir)) {
    const newest = listRuns(runsDir, runner).at(-1);
    const record = newest === undefined ? undefined : readRecord(runsDir, runner, newest);
    if (record !== undefined) seen.set(runner, runSeen(record, host, now));
  }
  return seen;
}

function runSeen(
  { end, isSettled, process, mark, run, beats }: RunRecord,
  host: Pick<HostProcesses, "isAlive">,
  now: number,
): RunSeen {
  if (end !== null) return isSettled ? { kind: "none" } : { kind: "ended", ...end };
  if (host.isAlive(process, mark)) return { kind: "running", since: run, pid: beats?.pid ?? null };
  const ranSec = Math.max(0, now - run) / 1000;
  return { kind: "ended", at: now, ranSec, reason: "its process is gone", isPermanent: false };
}
