/** A process driver on a folder of its own, with everything that it tells. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach } from "vitest";
import { parseFleet } from "../../config/fleet.ts";
import type { Fleet } from "../../lib/core/fleet.ts";
import type { RunSeen } from "../../lib/core/observed.ts";
import { parseRunnerId } from "../../lib/core/runner-id.ts";
import type { RunnerId } from "../../lib/core/runner-id.ts";
import type { Driver, RunReport } from "../../lib/enforcer/driver.ts";
import { createProcessDriver } from "../../lib/enforcer/process-runs.ts";
import type { ProcessDriverOptions } from "../../lib/enforcer/process-runs.ts";
import { listRuns, readRecord, runFiles } from "../../lib/enforcer/run-files.ts";
import type { RunRecord } from "../../lib/enforcer/run-files.ts";
import { hostProcesses } from "../../lib/runner/host-processes.ts";
import { builtFile } from "../runner/built-program.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

export const ID = parseRunnerId("process/a/default");
const SECRET = "s3cret";

export interface DriverRig {
  readonly driver: Driver;
  readonly folder: string;
  readonly runsDir: string;
  readonly told: RunReport[];
  readonly warnings: string[];
  readonly fleet: Fleet;
  start(runner?: RunnerId, attempt?: number): void;
  /** What was told of a runner, by name. */
  events(runner?: RunnerId): string[];
  /** The process that beats, once it does. */
  pid(runner?: RunnerId): Promise<number>;
  ended(runner?: RunnerId): Promise<Extract<RunSeen, { kind: "ended" }>>;
  record(runner?: RunnerId): RunRecord;
  log(runner?: RunnerId): string;
}

const rigs: DriverRig[] = [];

afterEach(async () => {
  for (const { driver, fleet } of rigs.splice(0)) {
    await Promise.all([...fleet.runners.keys()].map(async (id) => await driver.stop(id, "over")));
    await driver.close();
  }
});

/** @param before whose folder to go on with: as another enforcer on the same host. */
export async function openDriver(
  fleetText: string,
  options: Partial<ProcessDriverOptions> = {},
  before?: DriverRig,
): Promise<DriverRig> {
  const folder = before?.folder ?? makeTempDir("driver");
  const runsDir = join(folder, "runs");
  const fleet = parseFleet(fleetText, { FOLDER: folder, API_TOKEN: SECRET }, "fleet.yaml");
  const told: RunReport[] = [];
  const warnings: string[] = [];
  const env = { PATH: process.env["PATH"], FFMPEG_BIN: process.env["FFMPEG_BIN"], HOME: folder };
  const program = await builtFile("cmd/runbeat.ts");
  const driver = createProcessDriver({
    runsDir,
    host: hostProcesses,
    hooks: { onReport: (report) => void told.push(report), onChange: () => {} },
    own: {
      file: process.execPath,
      args: [program],
      env: { ...env, NATS_URL: "nats://127.0.0.1:1", RUNBEAT_DATA_DIR: join(folder, "data") },
    },
    env,
    beatEnv: (runner) => ({ RUNBEAT_RUNNER: runner, RUNNER_HEARTBEAT_KEY: SECRET }),
    intervalSec: 1,
    secrets: () => fleet.secrets,
    warn: (message) => void warnings.push(message),
    ...options,
  });
  const newest = (runner: RunnerId) => listRuns(runsDir, runner).at(-1) ?? 0;
  const rig: DriverRig = {
    driver,
    folder,
    runsDir,
    told,
    warnings,
    fleet,
    start(runner = ID, attempt = 0) {
      const entry = fleet.runners.get(runner);
      if (entry !== undefined) driver.start(entry, attempt);
    },
    events: (runner = ID) =>
      told.filter((one) => one.runner === runner).map(({ report }) => report.event),
    pid: async (runner = ID) =>
      await waitFor(() => {
        const seen = driver.observe(runner);
        return seen.kind === "running" ? seen.pid : null;
      }),
    ended: async (runner = ID) =>
      await waitFor(() => {
        const seen = driver.observe(runner);
        return seen.kind === "ended" ? seen : null;
      }),
    record(runner = ID) {
      const record = readRecord(runsDir, runner, newest(runner));
      if (record === undefined) throw new Error(`${runner} has no record`);
      return record;
    },
    log: (runner = ID) => readFileSync(runFiles(runsDir, runner, newest(runner)).log, "utf8"),
  };
  rigs.push(rig);
  await driver.adopt([...fleet.runners.values()]);
  return rig;
}

/** The enforcer is gone; what it has started lives on. */
export async function abandon(rig: DriverRig): Promise<void> {
  await rig.driver.close();
  rigs.splice(rigs.indexOf(rig), 1);
}
