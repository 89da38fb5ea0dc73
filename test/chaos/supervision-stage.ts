/** A small fleet under an enforcer, and what of it lives: seen in /proc, not by the product's word. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { Program } from "./program.ts";

/** As built: the enforcer starts its runners from there too. */
const MAIN = fileURLToPath(new URL("../../dist/cmd/runbeat.js", import.meta.url));

/** Deaf ones, far ones, failing ones, one that beats for itself, and cameras. */
const FLEET = `
defaults: { heartbeat_interval_sec: 1 }
runners:
  process/plain/default: { command: [sleep, "1000"] }
  process/deaf/default:
    command: [sh, -c, "trap '' TERM; sleep 1000 & sleep 1000 & while :; do sleep 0.5; done"]
  process/far/default: { command: [sh, -c, "setsid sleep 1000 & sleep 1000"] }
  process/self/default: { command: [sh, -c, "sleep 1000 & wait"], beats: self }
  process/failing/default: { command: [sh, -c, "sleep 1.5; echo failing >&2; exit 3"] }
  camera/one/demo: { camera: { url: "testsrc2=size=64x36:rate=2", input_format: lavfi } }
  camera/two/demo: { camera: { url: "testsrc2=size=64x36:rate=2", input_format: lavfi } }
`;
export const RUNNERS = [...FLEET.matchAll(/^ {2}(\w+\/\w+\/\w+):/gm)].map(([, id]) => id ?? "");
/** They end by themselves now and then. */
export const FAILING = "process/failing/default";

export interface SupervisionStage {
  /** Removed after a run without failure. */
  readonly folder: string;
  readonly main: string;
  readonly databaseFile: string;
  readonly nats: TestNatsServer;
  readonly projector: Program;
  readonly enforcer: Program;
  readonly environment: Readonly<Record<string, string>>;
}

export async function openSupervisionStage(): Promise<SupervisionStage> {
  const folder = mkdtempSync(join(tmpdir(), "runbeat-supervision-"));
  const dataDir = join(folder, "data");
  mkdirSync(dataDir);
  const nats = await startNatsServer({ storeDir: join(folder, "nats") });
  const fleet = join(folder, "fleet.yaml");
  writeFileSync(fleet, FLEET);
  const environment = {
    PATH: process.env["PATH"] ?? "",
    // Also what marks everything that is started here.
    TMPDIR: folder,
    RUNBEAT_FLEET: fleet,
    ENFORCER_INTERVAL_SECONDS: "1",
    RESTART_BACKOFF_SECS: "0.1,0.3",
    MAX_RESTART_ATTEMPTS: "100000",
    ...(process.env["FFMPEG_BIN"] === undefined ? {} : { FFMPEG_BIN: process.env["FFMPEG_BIN"] }),
  };
  const program = (command: string) =>
    new Program({
      main: MAIN,
      args: [command, "--data-dir", dataDir, "--nats-url", nats.url],
      env: environment,
      logFile: join(folder, `${command}.log`),
    });
  return {
    folder,
    main: MAIN,
    databaseFile: join(dataDir, "runbeat.db"),
    nats,
    projector: program("projector"),
    enforcer: program("enforcer"),
    environment,
  };
}

/** The enforcer that runs now has taken over what lives, as it says itself. */
export function enforcerServes({ folder, enforcer }: SupervisionStage): boolean {
  const own = `"process":${enforcer.pids.at(-1)},`;
  const lines = readFileSync(join(folder, "enforcer.log"), "utf8").split("\n");
  return lines.some((line) => line.includes(own) && line.includes("the enforcer runs the fleet"));
}

/** A process that was started here, by whomever. */
export interface Living {
  readonly pid: number;
  readonly startTicks: string;
  /** Of its run; "" for what belongs to none. */
  readonly mark: string;
  /** Supervised: a wrapper or a camera's runner; of which runner. */
  readonly runner: string | undefined;
  readonly words: readonly string[];
}

/** Everything that lives of this stage. */
export function livingOf(stage: SupervisionStage): Living[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return describe(Number(name), stage.folder);
    } catch {
      // It ended while it was looked at, or is somebody else's.
      return [];
    }
  });
}

function describe(pid: number, folder: string): Living[] {
  const environ = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  if (!environ.includes(`TMPDIR=${folder}`)) return [];
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return [];
  const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  const marked = environ.find((entry) => entry.startsWith("RUNBEAT_RUN="));
  const mark = marked?.slice("RUNBEAT_RUN=".length) ?? "";
  const runner = words.includes("--supervised")
    ? words.find((word) => RUNNERS.includes(word))
    : undefined;
  return [{ pid, startTicks: fields[19] ?? "", mark, runner, words }];
}

export interface RecordedRun {
  readonly runner: string;
  readonly isOver: boolean;
}

/** Runs by their mark, as the records say; orders were given to these only. */
export function runsByMark(stage: SupervisionStage): Map<string, RecordedRun> {
  const runs = join(stage.folder, "data", "runs");
  const found = new Map<string, RecordedRun>();
  for (const name of readdirSync(runs, { recursive: true })) {
    if (!String(name).endsWith(".json")) continue;
    try {
      const record = JSON.parse(readFileSync(join(runs, String(name)), "utf8")) as {
        mark: string;
        runner: string;
        end: object | null;
      };
      found.set(record.mark, { runner: record.runner, isOver: record.end !== null });
    } catch {
      // Pruned in between.
    }
  }
  return found;
}
