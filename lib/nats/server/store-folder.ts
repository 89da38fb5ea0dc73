import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { AppError, messageOf } from "../../core/errors.ts";

/** With less the server would stop in the middle of its work. */
const MIN_FREE_BYTES = 64 * 2 ** 20;
const MIB = 2 ** 20;

export interface Disk {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** The disk that a folder, which must exist, is on; free is what an ordinary user may use. */
export function diskOf(folder: string): Disk {
  const { bavail, blocks, bsize } = statfsSync(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/**
 * Makes the store's and the log's folders and checks that they can be used.
 * @throws AppError `forbidden` when they can't be written, `unavailable` when the disk is full.
 */
export function prepareFolders(storeDir: string, logFile: string): Disk {
  for (const folder of [storeDir, dirname(logFile)]) makeFolder(folder);
  const disk = diskOf(storeDir);
  if (disk.freeBytes >= MIN_FREE_BYTES) return disk;
  throw new AppError(
    "unavailable",
    `Only ${Math.floor(disk.freeBytes / MIB)} MiB are free on the disk of ${storeDir}: ` +
      `nats-server needs ${MIN_FREE_BYTES / MIB} MiB. Free some, or set --data-dir to another disk`,
  );
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o750 });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new AppError(
      "forbidden",
      `Folder ${folder} can't be used by nats-server: ${messageOf(error)}. ` +
        "Give it to this user, or set --data-dir to a folder of yours",
      { cause: error },
    );
  }
}

/** Leftovers of starts that were killed go after this time. */
const LEFTOVER_MS = 600_000;

/**
 * A folder for one start: its configuration, and the file in which the server says which port it
 * has. Not shared, because a second start on the same store must not disturb the first.
 */
export function makeStartFolder(storeDir: string): string {
  for (const name of readdirSync(storeDir).filter((entry) => entry.startsWith("start-"))) {
    const path = join(storeDir, name);
    const madeAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - madeAt > LEFTOVER_MS) rmSync(path, { recursive: true, force: true });
  }
  return mkdtempSync(join(storeDir, "start-"));
}

/** Held by the server process itself, so that it ends with that process and not a moment sooner. */
export function lockFile(storeDir: string): string {
  return join(storeDir, "runbeat.lock");
}

/** Who runs on the store, for the message to whoever comes second. */
interface StoreHolder {
  readonly pid: number;
  readonly url: string;
  readonly startedBy: number;
}

function holderFile(storeDir: string): string {
  return join(storeDir, "server.json");
}

export function writeHolder(storeDir: string, holder: StoreHolder): void {
  writeFileSync(holderFile(storeDir), `${JSON.stringify(holder)}\n`);
}

/** `by nats-server 4711 on nats://…, started by process 4700`; empty where unknown. */
export function describeHolder(storeDir: string): string {
  try {
    const holder = JSON.parse(readFileSync(holderFile(storeDir), "utf8")) as StoreHolder;
    const { pid, url, startedBy } = holder;
    return ` by nats-server ${pid} on ${url}, started by process ${startedBy}`;
  } catch {
    return "";
  }
}
