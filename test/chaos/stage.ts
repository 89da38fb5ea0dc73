/** Everything that a run kills: a nats-server, one or two projectors, the API, on one data folder. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Database } from "../../lib/store/sqlite.ts";
import type { SqliteDatabase } from "../../lib/store/sqlite.ts";
import { startNatsServer } from "../support/nats-server.ts";
import type { TestNatsServer } from "../support/nats-server.ts";
import { waitFor } from "../support/wait-for.ts";
import { Program, freePort } from "./program.ts";

export const INGEST_KEY = "chaos-ingest-key";
/** Short, so that many windows end within a run. */
export const SNAPSHOT_EVERY_SEC = 3;
const SERVING_MS = 60_000;
const LIVE_MS = 1_000;
/** For folding all there is, which grows with the run. */
export const CAUGHT_UP_MS = 600_000;

export type Part = "nats" | "projector" | "api";

export interface Stage {
  /** Removed after a run without failure. */
  readonly folder: string;
  readonly databaseFile: string;
  readonly nats: TestNatsServer;
  readonly natsPids: number[];
  readonly projector: Program;
  /** A second one, started by mistake now and then. */
  readonly rival: Program;
  readonly api: Program;
  readonly apiPort: number;
  readonly apiUrl: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Starts the server, and prepares the rest. */
export async function openStage(main: string): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "runbeat-chaos-"));
  const dataDir = join(folder, "data");
  mkdirSync(dataDir);
  const nats = await startNatsServer({ storeDir: join(folder, "nats") });
  const apiPort = await freePort();
  const fleet = join(folder, "fleet.yaml");
  writeFileSync(fleet, "runners: {}\n");
  const environment = {
    PATH: process.env["PATH"] ?? "",
    TMPDIR: folder,
    RUNBEAT_FLEET: fleet,
    HB_LOG_EVERY_SEC: String(SNAPSHOT_EVERY_SEC),
    RUNNER_HEARTBEAT_KEY: INGEST_KEY,
    RUNBEAT_HTTP_PORT: String(apiPort),
  };
  const global = ["--data-dir", dataDir, "--nats-url", nats.url];
  const program = (command: string, log: string) =>
    new Program({
      main,
      args: [command, ...global],
      env: environment,
      logFile: join(folder, `${log}.log`),
    });
  return {
    folder,
    databaseFile: join(dataDir, "runbeat.db"),
    nats,
    natsPids: [nats.pid],
    projector: program("projector", "projector"),
    rival: program("projector", "rival"),
    api: program("api", "api"),
    apiPort,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    environment,
  };
}

export async function startNats(stage: Stage): Promise<void> {
  await stage.nats.restart();
  stage.natsPids.push(stage.nats.pid);
}

const COMPRESSED = "cmp";
/** Streams that may lose their last moments with the power, and most bytes that are cut off here. */
const LOSES_TAIL = { HEARTBEATS: 524_288, SNAPSHOTS: 32_768, QUARANTINE: 32_768 } as const;

/**
 * What a power failure may do to a server that was killed: the ends of streams that are stored
 * asynchronously were never written. Each loses its own.
 * @param part how much of the most, 0 to 1; asked for each stream.
 */
export function loseTails(stage: Stage, part: () => number): void {
  const streams = join(stage.folder, "nats", "jetstream", "$G", "streams");
  for (const [name, most] of Object.entries(LOSES_TAIL)) {
    const folder = join(streams, `RUNBEAT_${name}`, "msgs");
    const blocks = readdirSync(folder).map((file) => Number(/^(\d+)\.blk$/.exec(file)?.[1] ?? 0));
    const file = join(folder, `${Math.max(...blocks)}.blk`);
    if (isBeingWritten(file))
      truncateSync(file, Math.max(0, statSync(file).size - Math.floor(part() * most)));
  }
}

/** A block that is full is compressed as a whole, and begins with a mark. */
function isBeingWritten(file: string): boolean {
  if (!existsSync(file)) return false;
  return readFileSync(file).subarray(0, COMPRESSED.length).toString("latin1") !== COMPRESSED;
}

/** The tables are made anew from the streams. */
export function removeDatabase(stage: Stage): void {
  for (const end of ["", "-wal", "-shm"]) rmSync(stage.databaseFile + end, { force: true });
}

/** Reads the database as it is at this moment; undefined while there is none. */
export function readDatabase<T>(
  { databaseFile }: Pick<Stage, "databaseFile">,
  read: (db: SqliteDatabase) => T,
): T | undefined {
  let db: SqliteDatabase | undefined;
  try {
    db = new Database(databaseFile, { readonly: true, fileMustExist: true });
    return read(db);
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error;
    return undefined;
  } finally {
    db?.close();
  }
}

/** Waits for what the projector does. @throws at once where it has ended by itself. */
export async function projectorHas(
  { projector, folder }: Stage,
  isDone: () => boolean | undefined | Promise<boolean>,
  options: { readonly what: string; readonly timeoutMs: number },
): Promise<void> {
  const how = await waitFor(async () => {
    if (!projector.isRunning) return "ended";
    return (await isDone()) === true ? "done" : false;
  }, options);
  if (how === "done") return;
  const log = readFileSync(join(folder, "projector.log"), "utf8");
  const last = log.trimEnd().split("\n").at(-1) ?? "";
  throw new Error(`the projector ended by itself before ${options.what}: ${last}`);
}

/** A projector commits what was published after now. */
export async function projectorServes(stage: Stage): Promise<void> {
  const since = Date.now();
  await projectorHas(stage, () => (newestCommit(stage) ?? 0) > since, {
    what: "a commit of the projector",
    timeoutMs: SERVING_MS,
  });
}

function newestCommit(stage: Stage): number | null | undefined {
  return readDatabase(stage, (db) =>
    db
      .prepare(
        "select max(updated_at) from checkpoint where lane = 'main' and projection = 'latest_heartbeat'",
      )
      .pluck()
      .get(),
  ) as number | null | undefined;
}

/** The projector has folded all but the last second. */
export async function projectorIsLive(stage: Stage): Promise<void> {
  const isLive = (): boolean | undefined =>
    readDatabase(stage, (db) => {
      const sql = `select min(time) from checkpoint where lane = 'main'
        and projection in ('latest_heartbeat', 'process_heartbeat')`;
      return Date.now() - (db.prepare(sql).pluck().get() as number) < LIVE_MS;
    });
  await projectorHas(stage, isLive, { what: "the end of the heartbeats", timeoutMs: CAUGHT_UP_MS });
}

export async function apiServes(stage: Stage, path = "/livez"): Promise<void> {
  await waitFor(async () => (await fetch(stage.apiUrl + path)).status === 200, {
    what: `200 on ${path}`,
    timeoutMs: SERVING_MS,
  });
}
